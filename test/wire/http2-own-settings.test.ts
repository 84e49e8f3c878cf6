import t from "tap";

import { OwnSettings, type OwnLimit } from "../../src/wire/http2-own-settings.js";

const watched = (): { settings: OwnSettings; changes: [OwnLimit, number, number][] } => {
  const changes: [OwnLimit, number, number][] = [];
  return { settings: new OwnSettings((...change) => changes.push(change)), changes };
};

t.test("a raise holds from its sending, a cut from its acknowledgement", async (t) => {
  const { settings, changes } = watched();
  const acknowledged = settings.sending({ MAX_FRAME_SIZE: 20_000, INITIAL_WINDOW_SIZE: 1 });
  t.same(changes, [["MAX_FRAME_SIZE", 20_000, 16_384]]);
  settings.acknowledged();
  t.same(changes.at(-1), ["INITIAL_WINDOW_SIZE", 1, 65_535]);
  t.equal(await acknowledged, true);
  t.end();
});

t.test("a cut that a later SETTINGS takes back never holds", (t) => {
  const { settings, changes } = watched();
  void settings.sending({ INITIAL_WINDOW_SIZE: 10 });
  void settings.sending({ INITIAL_WINDOW_SIZE: 20 });
  settings.acknowledged();
  t.equal(settings.values.INITIAL_WINDOW_SIZE, 65_535);
  settings.acknowledged();
  t.equal(settings.values.INITIAL_WINDOW_SIZE, 20);
  t.same(changes, [["INITIAL_WINDOW_SIZE", 20, 65_535]]);
  t.end();
});

t.test("an acknowledgement too many is ignored, and what is never acknowledged is told at the end", async (t) => {
  const { settings } = watched();
  settings.acknowledged();
  const acknowledged = settings.sending({});
  settings.abandon();
  t.equal(await acknowledged, false);
});
