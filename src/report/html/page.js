"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const findings = [...document.querySelectorAll(".finding")];
  const own = [...document.querySelectorAll("#findings .finding")];
  const text = byId("text"), status = byId("status"), verdict = byId("verdict");
  // Rows that a browser lays out at once without being slow.
  let most = 1000;
  const more = byId("more");
  let rows = null;
  let words = null;
  // What is looked through, made once and only when somebody filters.
  const prepare = () => {
    const lower = (element) => element.textContent.toLowerCase();
    if (!words) words = new Map(findings.map((finding) => [finding, lower(finding)]));
    if (!rows) {
      rows = [...document.querySelectorAll("#tests tbody tr")].map((row) => ({
        row, verdict: row.cells[0].textContent, words: row.cells[1].textContent.toLowerCase(),
      }));
    }
  };
  const apply = () => {
    const sought = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    prepare();
    const holds = (words) => sought.every((word) => words.includes(word));
    for (const finding of findings) {
      const wanted = !status.value || finding.dataset.status === status.value;
      finding.hidden = !(wanted && holds(words.get(finding)));
    }
    let tests = 0;
    for (const { row, verdict: its, words } of rows) {
      const shown = (!verdict.value || its === verdict.value) && holds(words);
      tests += shown;
      row.hidden = !shown || tests > most;
    }
    more.hidden = tests <= most;
    more.textContent = `Show all ${tests}`;
    const left = own.filter((finding) => !finding.hidden).length;
    byId("none").hidden = left > 0 || own.length === 0;
    byId("shown").textContent = `${left} of ${own.length} findings, ${tests} of ${rows.length} tests`;
    if (verdict.value) byId("tests").open = true;
  };
  let timer = 0;
  const soon = () => { clearTimeout(timer); timer = setTimeout(apply, 80); };
  text.addEventListener("input", soon);
  status.addEventListener("change", apply);
  verdict.addEventListener("change", apply);
  const all = (open) => { for (const finding of findings) if (!finding.hidden) finding.open = open; };
  byId("open").addEventListener("click", () => all(true));
  byId("close").addEventListener("click", () => all(false));
  const all_rows = document.querySelectorAll("#tests tbody tr");
  for (let at = most; at < all_rows.length; at++) all_rows[at].hidden = true;
  more.hidden = all_rows.length <= most;
  more.textContent = `Show all ${all_rows.length}`;
  more.addEventListener("click", () => { most = Infinity; apply(); });
  // On paper nothing can be opened.
  addEventListener("beforeprint", () => all(true));
  const go = () => {
    const target = location.hash && byId(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", go);
  go();
})();
