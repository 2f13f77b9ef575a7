"use strict";
(() => {
  const data = JSON.parse(document.getElementById("plots").textContent);
  const status = document.getElementById("status");
  const cards = [...document.querySelectorAll(".card")];
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = 0; // rank of the pick that is shown everywhere, 0 for none
  let busy = false;
  let models = {};

  const named = (name) => {
    for (const doc of Bokeh.documents) {
      const found = doc.get_model_by_name(name);
      if (found !== null) return found;
    }
    return null;
  };

  const ink = (colour) => {
    for (const { inked } of Object.values(data)) {
      for (const [id, property] of inked) {
        for (const doc of Bokeh.documents) {
          const model = doc.get_model_by_id(id);
          if (model !== null) model.setv({ [property]: colour });
        }
      }
    }
  };
  const follow = () => ink(dark.matches ? "#e8e8e8" : "#222222");

  const select = (source, indices) => {
    if (source !== null && source !== undefined) source.selected.indices = indices;
  };

  // One pick, chosen anywhere, is shown in the gallery, on the map and on the curve.
  const choose = (rank, scroll) => {
    busy = true;
    chosen = rank;
    const of = rank - 1;
    const { targets, picks, curve } = models;
    if (targets) {
      const nearest = [...targets.data.nearest];
      select(targets, rank ? nearest.flatMap((n, row) => (n === of ? [row] : [])) : []);
    }
    select(picks, rank ? [of] : []);
    select(curve, rank ? [of] : []);
    for (const card of cards) {
      const here = Number(card.dataset.rank) === rank;
      card.classList.toggle("chosen", here);
      card.querySelector("button.choose").setAttribute("aria-pressed", String(here));
      if (here && scroll) card.scrollIntoView({ block: "nearest" });
    }
    const card = cards[of];
    status.textContent = card
      ? `Pick ${rank}, ${card.dataset.name}, is highlighted in the gallery, on the map and on the curve. ${card.dataset.reason}`
      : "No pick is highlighted.";
    document.getElementById("clear").hidden = rank === 0;
    busy = false;
  };

  const listen = (source, rankOf) => {
    if (!source) return;
    source.selected.properties.indices.change.connect(() => {
      if (busy) return;
      const rows = source.selected.indices;
      // after Bokeh is done with its own selection, which this one replaces
      setTimeout(() => choose(rows.length ? rankOf(rows[0]) : 0, true), 0);
    });
  };

  const start = async () => {
    for (const [name, { item }] of Object.entries(data)) {
      const place = document.getElementById(`plot-${name}`);
      place.textContent = "";
      await Bokeh.embed.embed_item(item, place.id);
    }
    models = { targets: named("targets"), picks: named("picks"), curve: named("curve") };
    listen(models.picks, (row) => row + 1);
    listen(models.curve, (row) => row + 1);
    listen(models.targets, (row) => models.targets.data.nearest[row] + 1);
    for (const card of cards) {
      card.querySelector("button.choose").addEventListener("click", () => {
        const rank = Number(card.dataset.rank);
        choose(rank === chosen ? 0 : rank, false);
      });
    }
    document.getElementById("clear").addEventListener("click", () => choose(0, false));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && chosen) choose(0, false);
    });
    follow();
    dark.addEventListener("change", follow);
    window.addEventListener("beforeprint", () => ink("#222222"));
    window.addEventListener("afterprint", follow);
    document.documentElement.dataset.ready = "yes";
  };

  start().catch((error) => {
    status.textContent = `The plots cannot be drawn: ${error}`;
    console.error(error);
  });
})();
