// The editor of statements: names are completed (Ctrl-Space, or after two letters), Ctrl-Enter runs, an error is selected.
"use strict";
(() => {
  const area = document.getElementById("sql");
  if (!area) return;
  const words = area.dataset.words.split(" ");
  const list = document.createElement("ul");
  list.id = "completions";
  list.className = "completions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Names");
  list.hidden = true;
  area.after(list);
  area.setAttribute("aria-controls", list.id);
  area.setAttribute("aria-autocomplete", "list");
  let chosen = 0;

  // The name before the caret.
  const begun = () => /[A-Za-z_][A-Za-z0-9_.]*$/.exec(area.value.slice(0, area.selectionStart))?.[0] ?? "";
  const hide = () => {
    list.hidden = true;
    area.removeAttribute("aria-activedescendant");
  };
  const choose = (number) => {
    chosen = (number + list.children.length) % list.children.length;
    for (const [place, item] of [...list.children].entries()) item.setAttribute("aria-selected", String(place === chosen));
    list.children[chosen].scrollIntoView({ block: "nearest" });
    area.setAttribute("aria-activedescendant", list.children[chosen].id);
  };
  const offer = (least) => {
    const start = begun().toLowerCase();
    const found = start.length < least ? [] : words.filter((word) => word.startsWith(start) && word !== start).slice(0, 12);
    list.replaceChildren(
      ...found.map((word, place) => {
        const item = document.createElement("li");
        item.id = `completion-${place}`;
        item.setAttribute("role", "option");
        item.textContent = word;
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          choose(place);
          take();
        });
        return item;
      })
    );
    if (found.length === 0) hide();
    else {
      list.hidden = false;
      choose(0);
    }
  };
  const take = () => {
    const start = area.selectionStart - begun().length;
    area.setRangeText(list.children[chosen].textContent, start, area.selectionStart, "end");
    hide();
  };
  area.addEventListener("input", () => offer(2));
  area.addEventListener("blur", hide);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) area.form.requestSubmit();
    else if (event.key === " " && event.ctrlKey) offer(0);
    else if (list.hidden) return;
    else if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter" || event.key === "Tab") take();
    else if (event.key === "Escape") hide();
    else return;
    event.preventDefault();
  });

  // Columns count characters, the selection counts UTF-16.
  const { line, column, length } = area.dataset;
  if (line) {
    const lines = area.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((total, text) => total + text.length + 1, 0);
    const letters = [...(lines[line - 1] ?? "")];
    const width = (from, to) => letters.slice(from, to).join("").length;
    const start = before + width(0, column - 1);
    area.focus();
    area.setSelectionRange(start, start + width(column - 1, column - 1 + Number(length)));
  }
})();
