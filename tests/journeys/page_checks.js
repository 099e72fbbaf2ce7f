// What is wrong with a page for people who do not see it, or not well; an empty list is nothing.
() => {
  const found = [];
  const name = (it) => `${it.tagName.toLowerCase()} ${(it.textContent || it.id || "").trim().slice(0, 40)}`;
  const seen = (it) => it.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });

  if (!document.documentElement.lang) found.push("no language");
  if (!document.title) found.push("no title");

  let last = 0;
  for (const head of document.querySelectorAll("h1, h2, h3, h4")) {
    const level = Number(head.tagName[1]);
    if (level > last + 1) found.push(`${name(head)} skips a level`);
    last = level;
  }
  const ids = new Set();
  for (const it of document.querySelectorAll("[id]")) {
    if (ids.has(it.id)) found.push(`id ${it.id} is there twice`);
    ids.add(it.id);
  }
  for (const it of document.querySelectorAll("[aria-labelledby]")) {
    for (const id of it.getAttribute("aria-labelledby").split(" ")) {
      if (!document.getElementById(id)) found.push(`${name(it)} is named by #${id}, which is not there`);
    }
  }
  for (const it of document.querySelectorAll("button, a[href]")) {
    const kind = it.tagName === "A" ? "link" : "button";
    if (!(it.textContent.trim() || it.getAttribute("aria-label"))) found.push(`${kind} without a name`);
  }
  for (const it of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!(it.labels && it.labels.length) && !it.getAttribute("aria-label")) found.push("input without a name");
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption) found.push("a table has no caption");
    for (const head of table.querySelectorAll("th")) {
      if (!head.scope) found.push(`${name(head)} has no scope`);
    }
  }
  for (const svg of document.querySelectorAll("svg")) {
    const told = svg.getAttribute("aria-hidden") === "true" ||
      (svg.getAttribute("role") === "img" && (svg.getAttribute("aria-label") || svg.getAttribute("aria-labelledby")));
    if (!told) found.push("an svg is neither described nor hidden");
  }

  // Contrast: WCAG 2.2, "relative luminance" and "contrast ratio".
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const luminance = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (it) => {
    for (let at = it; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return matchMedia("(prefers-color-scheme: dark)").matches
      ? { r: 18, g: 18, b: 18 } : { r: 255, g: 255, b: 255 };
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const it = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || it.closest("svg, noscript, script") || !seen(it)) continue;
    const style = getComputedStyle(it);
    const [a, b] = [luminance(parse(style.color)), luminance(behind(it))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`contrast ${ratio.toFixed(2)}: ${name(it)}`);
  }
  return [...new Set(found)];
}
