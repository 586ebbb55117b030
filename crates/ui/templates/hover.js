// Marks of figures say their values and intervals beside the pointer, or where the keyboard is.
"use strict";
(() => {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  // A screen reader has the names of marks and the table behind the figure.
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  let shown = null;

  // The words of a mark; its title would be shown a second time by the browser.
  const wordsOf = (mark) => {
    const title = mark.querySelector("title");
    if (title) {
      mark.dataset.words = title.textContent;
      title.remove();
      mark.setAttribute("aria-label", mark.dataset.words);
      if (!mark.closest("a")) mark.setAttribute("role", "img");
    }
    return mark.dataset.words;
  };
  const show = (mark, x, y) => {
    const words = wordsOf(mark);
    if (!words) return;
    shown = mark;
    tip.textContent = words;
    tip.hidden = false;
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(x + 14, room)) + window.scrollX}px`;
    const below = y + 18;
    const isLow = below + tip.offsetHeight > window.innerHeight;
    tip.style.top = `${(isLow ? y - tip.offsetHeight - 12 : below) + window.scrollY}px`;
  };
  const hide = () => {
    shown = null;
    tip.hidden = true;
  };
  const markAt = (target) => (target instanceof Element ? target.closest(".panel .mark") : null);
  document.addEventListener("pointermove", (event) => {
    const mark = markAt(event.target);
    if (mark) show(mark, event.clientX, event.clientY);
    else if (shown) hide();
  });
  document.addEventListener("focusin", (event) => {
    const link = event.target instanceof Element ? event.target.closest(".panel a") : null;
    const mark = link && link.querySelector(".mark");
    if (!mark) return;
    const box = mark.getBoundingClientRect();
    show(mark, box.right, box.bottom);
  });
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });
})();
