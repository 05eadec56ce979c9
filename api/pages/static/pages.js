// What HTML and htmx cannot do: copying, dropping files beside their field, and showing those that are not sent yet.
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

// Files may be dropped anywhere on a page that takes some: beside the field, a browser would leave the page for them.
const fileField = () => document.querySelector("input[type=file][data-previews]");

document.addEventListener("dragover", (event) => {
  const field = fileField();
  if (!field || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  field.classList.add("over");
});

for (const name of ["dragleave", "drop", "dragend"]) {
  document.addEventListener(name, () => fileField()?.classList.remove("over"));
}

document.addEventListener("drop", (event) => {
  const field = fileField();
  if (!field || !event.dataTransfer.files.length || event.target === field) return;
  event.preventDefault();
  field.files = event.dataTransfer.files;
  field.dispatchEvent(new Event("change", { bubbles: true }));
});
