/* Asks for memory and gives it back in every way at once, with the tracer preloaded, and compares what that knows with what is
 * there: threads that come and go, forks, libraries that are loaded and unloaded, signals, mappings. Argument: seconds. Exits
 * with 1 at the first chunk that is lost or counted twice. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, SLOTS = 400, STEPS = 4000, MOST = 20000 };

static int (*start)(const size_t *);
static void (*mark)(unsigned);
static size_t (*survivors)(int64_t *, size_t);
static uint64_t (*missed)(void);
static void (*stop)(void);

struct slot {
    char *at;
    size_t size;
    int is_mapped;
};

static struct slot slots[THREADS][SLOTS];
static volatile sig_atomic_t signals;
static pthread_key_t key;
static pthread_barrier_t ready;

static void on_signal(int number) {
    (void)number;
    signals++;
}

static unsigned next(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void fill(struct slot *slot, unsigned *seed) {
    size_t size = 1 + next(seed) % (next(seed) % 16 ? 400 : 60000);
    slot->size = size;
    slot->is_mapped = 0;
    switch (next(seed) % 8) {
    case 0: slot->at = calloc(1, size); break;
    case 1: slot->at = aligned_alloc(64, slot->size = (size + 63) & ~(size_t)63); break;
    case 2:
        if (posix_memalign((void **)&slot->at, 128, size)) abort();
        break;
    case 3: slot->at = reallocarray(NULL, 1, size); break;
    case 4:
        slot->size = (size + 4095) & ~(size_t)4095;
        slot->at = mmap(NULL, slot->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        slot->is_mapped = 1;
        break;
    default: slot->at = malloc(size);
    }
    if (!slot->at) abort();
    slot->at[0] = slot->at[size - 1] = 7;
}

static void empty(struct slot *slot, unsigned *seed) {
    if (slot->is_mapped) {
        size_t half = slot->size / 8192 * 4096;
        if (half && next(seed) % 2) {
            /* In two parts. */
            munmap(slot->at, half);
            munmap(slot->at + half, slot->size - half);
        } else {
            munmap(slot->at, slot->size);
        }
    } else {
        free(slot->at);
    }
    slot->at = NULL;
}

static void at_exit_of_thread(void *at) { free(at); }

static void *work(void *argument) {
    size_t number = (size_t)argument;
    static unsigned seeds[THREADS];
    unsigned *seed = &seeds[number];
    *seed += 12345u * (unsigned)(number + 1);
    pthread_barrier_wait(&ready);
    pthread_setspecific(key, malloc(77));
    for (int step = 0; step < STEPS; step++) {
        struct slot *slot = &slots[number][next(seed) % SLOTS];
        if (!slot->at) {
            fill(slot, seed);
        } else if (!slot->is_mapped && next(seed) % 4 == 0) {
            size_t size = 1 + next(seed) % 3000;
            slot->at = realloc(slot->at, size);
            slot->size = size;
            slot->at[size - 1] = 7;
        } else if (slot->is_mapped && next(seed) % 4 == 0) {
            size_t size = (1 + next(seed) % 20) * 4096;
            slot->at = mremap(slot->at, slot->size, size, MREMAP_MAYMOVE);
            slot->size = size;
        } else {
            empty(slot, seed);
        }
    }
    return NULL;
}

static void fork_once(void) {
    pid_t child = fork();
    if (!child) {
        for (int at = 0; at < 100; at++) free(malloc(100));
        _exit(malloc(50) ? 0 : 1);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || status) {
        fprintf(stderr, "a child ended with %d\n", status);
        exit(1);
    }
}

static void compare(long round) {
    static int64_t rows[6 * MOST];
    int64_t counts[2] = {0, 0}, bytes[2] = {0, 0}, gained = 0;
    size_t found = survivors(rows, MOST);
    if (found > MOST || missed()) {
        fprintf(stderr, "round %ld: %zu groups, %llu missed\n", round, found, (unsigned long long)missed());
        exit(1);
    }
    for (size_t at = 0; at < found; at++) {
        int64_t *row = rows + 6 * at;
        if (row[0] == 2) {
            gained += row[5];
        } else {
            counts[row[0]] += row[4];
            bytes[row[0]] += row[5];
        }
    }
    int64_t own_counts = 0, own_bytes = 0, own_mapped = 0, given_out = 0;
    for (int thread = 0; thread < THREADS; thread++)
        for (int at = 0; at < SLOTS; at++) {
            struct slot *slot = &slots[thread][at];
            if (!slot->at) continue;
            if (slot->is_mapped) {
                own_mapped += (int64_t)slot->size;
            } else {
                own_counts++;
                own_bytes += (int64_t)slot->size;
                given_out += (int64_t)malloc_usable_size(slot->at);
            }
        }
    (void)gained;
    struct mallinfo2 info = mallinfo2();
    int64_t in_use = (int64_t)(info.uordblks + info.hblkhd);
    if (counts[0] != own_counts || bytes[0] != own_bytes || bytes[1] != own_mapped || in_use < given_out) {
        fprintf(stderr, "round %ld: %lld chunks of %lld bytes and %lld mapped, where there are %lld, %lld and %lld (malloc: %lld)\n", round,
                (long long)counts[0], (long long)bytes[0], (long long)bytes[1], (long long)own_counts, (long long)own_bytes,
                (long long)own_mapped, (long long)in_use);
        exit(1);
    }
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    *(void **)&start = dlsym(RTLD_DEFAULT, "leakcheck_trace_start");
    *(void **)&mark = dlsym(RTLD_DEFAULT, "leakcheck_trace_mark");
    *(void **)&survivors = dlsym(RTLD_DEFAULT, "leakcheck_trace_survivors");
    *(void **)&missed = dlsym(RTLD_DEFAULT, "leakcheck_trace_missed");
    *(void **)&stop = dlsym(RTLD_DEFAULT, "leakcheck_trace_stop");
    if (!start) {
        fprintf(stderr, "the tracer is not preloaded\n");
        return 2;
    }
    const size_t nowhere[4] = {0, 0, 0, 0};
    struct timespec begun, now;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    pthread_barrier_init(&ready, NULL, THREADS + 1);
    pthread_key_create(&key, at_exit_of_thread);
    signal(SIGALRM, on_signal);
    struct itimerval often = {{0, 700}, {0, 700}};
    setitimer(ITIMER_REAL, &often, NULL);
    long round = 0;
    /* What the loader takes once. */
    void *first = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
    if (first) dlclose(first);
    if (start(nowhere)) return 2;
    do {
        pthread_t threads[THREADS];
        /* What the C library takes for a thread, and keeps, is none of ours. */
        mark(0);
        for (size_t at = 0; at < THREADS; at++) pthread_create(&threads[at], NULL, work, (void *)at);
        mark(1 + (unsigned)round % 7);
        pthread_barrier_wait(&ready);
        fork_once();
        void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
        if (library) dlclose(library);
        for (size_t at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
        mark(0);
        round++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (compare(round), (double)(now.tv_sec - begun.tv_sec) < seconds);
    stop();
    printf("%ld rounds, %ld signals\n", round, (long)signals);
    return 0;
}
