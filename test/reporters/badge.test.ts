import t from "tap";
import { reporters } from "../../src/reporters/index.js";
import { plain, reportsByName } from "./fixtures.js";

t.test("a badge says how many passed of those judged, in a colour that fits", (t) => {
  t.match(reporters.badge.render(reportsByName.passing(), plain), /aria-label="halfclose: 42 of 42 passed"[^]*#2e7d32/);
  t.match(reporters.badge.render(reportsByName.failing(), plain), /aria-label="halfclose: 1 of 2 passed"[^]*#c62828/);
  t.end();
});

t.test("a run that broke, was interrupted or proved nothing shows no count of passes", (t) => {
  t.match(reporters.badge.render(reportsByName.partial(), plain), 'aria-label="halfclose: interrupted"');
  t.match(reporters.badge.render(reportsByName.mixed(), plain), 'aria-label="halfclose: broken"');
  t.match(reporters.badge.render(reportsByName.empty(), plain), 'aria-label="halfclose: nothing proved"');
  t.end();
});
