"use strict";
// Fetches this very page and puts its <main> in the place of the old one: without a script the page is the same, still.
(() => {
  const every = 5000;
  const byId = (id, from = document) => from.getElementById(id);
  const live = byId("live");
  let timer, isAsking = false;

  const isBusy = () => {
    const selection = getSelection();
    return selection && !selection.isCollapsed && byId("main").contains(selection.anchorNode);
  };

  const show = (fresh) => {
    const before = byId("main"), after = document.adoptNode(byId("main", fresh));
    for (const open of before.querySelectorAll("details[open]")) after.querySelector("#" + open.id)?.setAttribute("open", "");
    const focused = before.contains(document.activeElement) ? document.activeElement : null;
    const scrolled = [...before.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
    const said = before.querySelector("h1").textContent !== after.querySelector("h1").textContent;
    before.replaceWith(after);
    after.querySelectorAll(".scroll").forEach((each, index) => { each.scrollLeft = scrolled[index] || 0; });
    if (focused) {
      const again = focused.id ? byId(focused.id)
        : focused.href ? [...after.querySelectorAll("a")].find((each) => each.href === focused.href)
          : focused.tagName === "SUMMARY" ? byId(focused.parentNode.id)?.querySelector("summary")
            : focused.className ? after.getElementsByClassName(focused.className)[0] : null;
      (again || after).focus({ preventScroll: true });
    }
    if (said) byId("said").textContent = after.querySelector("h1").textContent;
    document.title = fresh.title;
    byId("icon").href = byId("icon", fresh).href;
    live.replaceChildren(...document.adoptNode(byId("live", fresh)).childNodes);
    live.classList.remove("lost");
  };

  const ask = async () => {
    if (isAsking || document.hidden) return;
    isAsking = true;
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(every * 2) });
      if (!answer.ok) throw new Error(answer.status);
      const text = await answer.text();
      if (!isBusy()) show(parse(text));
    } catch {
      if (!live.classList.contains("lost")) live.prepend("No answer. ");
      live.classList.add("lost");
    } finally {
      isAsking = false;
      wait();
    }
  };

  const policy = self.trustedTypes?.createPolicy("hyperjobs", { createHTML: (text) => text });
  const parse = (text) => new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  const wait = () => { clearTimeout(timer); if (!document.hidden) timer = setTimeout(ask, every); };
  document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else ask(); });
  wait();
})();
