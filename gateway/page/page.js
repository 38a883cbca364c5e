// Refreshes the page every five seconds in place, so that focus, selection and scrolling stay. A button pauses it.
"use strict";
const button = document.getElementById("pause");
let paused = false;

button.hidden = false;
button.addEventListener("click", () => {
  paused = !paused;
  button.setAttribute("aria-pressed", String(paused));
  button.textContent = paused ? "Resume updates" : "Pause updates";
});

async function refresh() {
  if (paused || document.hidden || document.activeElement.closest("#live a")) return;
  try {
    const answer = await fetch("./", { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const region = document.querySelector(".scroll");
    const left = region ? region.scrollLeft : 0;
    for (const id of ["live", "now"]) document.getElementById(id).replaceWith(fresh.getElementById(id));
    document.title = fresh.title;
    const next = document.querySelector(".scroll");
    if (next) next.scrollLeft = left;
  } catch {
    document.title = "⚠ Sluice does not answer";
    document.getElementById("now").textContent = "no answer since";
  }
}
setInterval(refresh, 5000);
