// What the page looks like, measured in its real layout. The test evaluates it through DevTools; it is no part of the page.
(() => {
  const box = (element) => {
    const { left, top, right, bottom, width, height } = element.getBoundingClientRect();
    return { left, top, right, bottom, width, height };
  };
  const channels = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((value) => value / 255)
      .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const picture = document.querySelector(".picture svg");
  const all = (selector) => (picture ? [...picture.querySelectorAll(selector)] : []);
  const words = [...document.querySelectorAll("h1, h2, h3, p, li, td, th, code, summary, strong, span")];
  return {
    picture: picture && box(picture),
    labels: all("text").map((text) => ({
      text: text.textContent, class: text.getAttribute("class"), box: box(text), contrast: contrast(getComputedStyle(text).fill, ground(picture)),
    })),
    marks: all("circle, rect, path.good, path.bad, path.start-sign, line.change, line.minimum, line.start").map((mark) => ({
      class: mark.getAttribute("class"), box: box(mark), shown: getComputedStyle(mark).visibility === "visible",
    })),
    words: words.filter((word) => word.textContent.trim()).map((word) => ({
      text: word.textContent.trim().slice(0, 40), contrast: contrast(getComputedStyle(word).color, ground(word)),
    })),
    ground: getComputedStyle(document.body).backgroundColor,
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    strangers: document.querySelectorAll("script, img, iframe, object, embed, link, form, a, base").length,
    loaded: performance.getEntriesByType("resource").length,
    title: document.title,
  };
})()
