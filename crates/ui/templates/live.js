// While a run writes: its progress, and the page's figures again when a job is finished.
"use strict";
(() => {
  // Beside other studies the address has the study's name.
  const progress = new URL("progress.json", document.currentScript.src);
  const again = () => setTimeout(look, document.hidden ? 20000 : 3000);
  async function look() {
    const shown = document.getElementById("progress");
    if (!shown) return;
    try {
      const answer = await fetch(progress);
      if (!answer.ok) return;
      const now = await answer.json();
      for (const place of shown.querySelectorAll("[data-progress]")) place.textContent = now[place.dataset.progress];
      const bar = shown.querySelector("progress");
      bar.max = now.members;
      bar.value = now.done;
      if (String(now.jobs) !== shown.dataset.jobs) {
        const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
        const fresh = page.getElementById("live");
        const open = shown.querySelector("details[open]") !== null;
        if (fresh) document.getElementById("live").replaceWith(fresh);
        const details = document.querySelector("#progress details");
        if (details) details.open = open;
      }
    } catch {
      // The server is gone or busy: what is shown stays.
    }
    again();
  }
  again();
})();
