/* Forgets what it allocates. */
#include <stdlib.h>
#include <string.h>

void peers_leak(size_t size)
{
    void *block = malloc(size);
    if (block)
        memset(block, 1, size);
}
