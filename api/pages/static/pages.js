// What HTML and htmx cannot do: copying, and showing photos that are chosen and not sent yet.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button || !navigator.clipboard) return;
  const text = document.getElementById(button.dataset.copy).textContent;
  navigator.clipboard.writeText(text).then(() => { button.textContent = "Copied"; }, () => {});
});

document.addEventListener("change", (event) => {
  const previews = event.target.dataset.previews && document.getElementById(event.target.dataset.previews);
  if (!previews) return;
  for (const image of previews.children) URL.revokeObjectURL(image.src); // not sooner: browsers may load it again
  previews.replaceChildren(...Array.from(event.target.files).slice(0, 60).map((file) => {
    const image = document.createElement("img");
    image.alt = file.name;
    image.src = URL.createObjectURL(file);
    image.addEventListener("error", () => image.remove()); // of a kind that this browser cannot show
    return image;
  }));
});
