"""How well text stands out on a page in a real browser: WCAG 2.2's contrast, of the colours as computed there."""

from __future__ import annotations

_FAINT = """
const parse = (text) => {
    const found = text.match(/[\\d.]+/g);
    if (!found || text === 'none' || text === 'transparent') return [0, 0, 0, 0];
    let [r, g, b, a] = found.map(Number);
    if (text.startsWith('color(srgb')) { r *= 255; g *= 255; b *= 255; }
    return [r, g, b, a === undefined ? 1 : a];
};
const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
const luminance = (colour) => {
    const light = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const linear = colour.slice(0, 3).map(c => light(c / 255));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
};
const NOT_TEXT = 'style, script, noscript, [disabled], [aria-hidden=true], [data-testid=stStatusWidget]';
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), of = walker.currentNode.parentElement;
    if (!text || !of || of.closest(NOT_TEXT)) continue;
    const box = of.getBoundingClientRect(), style = getComputedStyle(of);
    if (!box.width || !box.height || style.visibility === 'hidden' || box.bottom < 0 || box.right < 0) continue;
    const above = [];
    for (let each = of; each; each = each.parentElement) above.unshift(each);
    let under = [255, 255, 255, 1], opacity = 1;
    for (const each of above) {
        const its = getComputedStyle(each), behind = each.getBoundingClientRect();
        opacity *= Number(its.opacity);
        if (behind.width * behind.height < box.width * box.height) continue;  // the thumb below a slider's value
        const background = parse(its.backgroundColor);
        under = over([...background.slice(0, 3), background[3] * opacity], under);
    }
    if (opacity < 0.05) continue;
    const colour = parse(of.namespaceURI.endsWith('svg') ? style.fill : style.color);
    if (!colour[3]) continue;
    const seen = ratio(over([...colour.slice(0, 3), colour[3] * opacity], under), under);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if (seen < least) found.push([text.slice(0, 40), Math.round(seen * 100) / 100, of.tagName, style.color]);
}
return found;
"""


def faint(chrome):
    """Return what is hard to read: text, its contrast, its element and its colour."""
    return chrome.execute_script(_FAINT)


def contrast(one, other):
    """Return the contrast of two colours `#rrggbb`, by WCAG 2.2."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
