// The keys of a photo's page: each does what a button or a link does, and none while somebody types.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("input, textarea, select")) return;
  if (event.key === "x" || event.key === "Delete") {
    const button = event.target.closest("li")?.querySelector("[data-remove]");
    if (button) { event.preventDefault(); button.click(); }
    return;
  }
  const wanted = /^[a-z]$/.test(event.key) && document.querySelector(`[data-key="${event.key}"]`);
  if (!wanted) return;
  event.preventDefault();
  if (wanted.href) location.assign(wanted.href); else wanted.focus();
});

// What was removed had the focus; the label that takes its place gets it, in the very task that takes it away: a key
// pressed between the two would reach nothing.
let place = -1;
const buttons = () => [...document.querySelectorAll("[data-remove]")];
document.addEventListener("htmx:beforeRequest", (event) => {
  place = buttons().findIndex((button) => event.detail.elt.contains(button));
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.elt.id !== "said") return;
  const left = buttons();
  if (place >= 0 && left.length) left[Math.min(place, left.length - 1)].focus();
  else if (place < 0) document.querySelector("#add")?.focus();
  place = -1;
});
