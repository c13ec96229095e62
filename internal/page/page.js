'use strict';
// Draws what the task tells (see internal/page/feed.go). Everything that it tells is put in as
// text. Time in ms since the process began: the clock is the task's, carried on by ours.
(() => {
  const $ = id => document.getElementById(id);
  const seen = { task: null, entries: [], flow: {}, at: 0, offset: 0, samples: [] };
  const keepEntries = 2000, sampleEvery = 1000, samples = 120;
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  let source = null, over = false;

  const now = () => performance.now() + seen.offset;
  const make = (tag, cls, text) => {
    const e = document.createElement(tag);
    if (cls) e.className = cls;
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const shape = (tag, attributes, text) => {
    const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const k in attributes) e.setAttribute(k, attributes[k]);
    if (text !== undefined) e.textContent = text;
    return e;
  };
  const put = (e, text) => { if (e.textContent !== text) e.textContent = text; };
  const plural = (n, thing) => n + ' ' + thing + (n === 1 ? '' : 's');
  // span is a time that has passed: "412 ms", "3.4 s", "2 min 5 s", "3 h 12 min", "2 d 4 h".
  const span = ms => {
    if (ms < 1000) return Math.max(0, Math.round(ms)) + ' ms';
    if (ms < 9950) return (ms / 1000).toFixed(1) + ' s';
    return rough(ms);
  };
  // rough is the same without parts of a second.
  const rough = ms => {
    const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
    if (m < 1) return s + ' s';
    if (h < 1) return m + ' min' + (s % 60 ? ' ' + s % 60 + ' s' : '');
    if (d < 1) return h + ' h' + (m % 60 ? ' ' + m % 60 + ' min' : '');
    return d + ' d' + (h % 24 ? ' ' + h % 24 + ' h' : '');
  };
  // stamp is a time on the task's clock: 1:03.212, from an hour on 2:01:03.
  const stamp = ms => {
    const all = Math.floor(Math.max(0, ms)), s = Math.floor(all / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60);
    const two = n => String(n).padStart(2, '0');
    return h ? h + ':' + two(m % 60) + ':' + two(s % 60) : m + ':' + two(s % 60) + '.' + String(all % 1000).padStart(3, '0');
  };
  const instant = ms => ms < 10000 ? Math.round(ms) + ' ms' : ms < 60000 ? (ms / 1000).toFixed(2) + ' s' : rough(ms);

  // --- what the task tells

  function take(kind, text) {
    const m = JSON.parse(text);
    if (kind === 'snapshot') { seen.entries = []; seen.flow = {}; seen.samples = []; over = false; }
    seen.offset = m.now - performance.now();
    if (m.task) seen.task = m.task;
    if (m.flow) seen.flow = m.flow;
    if (m.entries) seen.entries.push(...m.entries);
    if (seen.entries.length > keepEntries) seen.entries.splice(0, seen.entries.length - keepEntries);
    seen.at = m.now;
    if (kind === 'end') { over = true; source.close(); }
    lost(kind === 'end' ? '' : null);
    sample();
    show();
  }

  function listen() {
    if (source) source.close();
    source = new EventSource('events');
    for (const kind of ['snapshot', 'change', 'end']) source.addEventListener(kind, e => take(kind, e.data));
    source.onerror = () => {
      if (over) return;
      if (source.readyState === EventSource.CLOSED) lost(seen.task ? 'The task refuses this page: it may be another program by now, or too many pages watch. Reload to try again.'
        : 'The task does not let this page watch: too many pages may be open. Reload to try again.');
      else lost(seen.task ? 'The task does not answer any more. This is the last that was seen of it; the page goes on looking.' : 'Nothing answers here yet. The page goes on looking.');
    };
  }
  // Whoever comes back to this page after the end may have started the task again.
  document.addEventListener('visibilitychange', () => { if (!document.hidden && over) listen(); });

  function lost(why) {
    $('gone').hidden = !why;
    if (why) put($('gone'), why);
    document.body.classList.toggle('lost', Boolean(why));
    $('verdict').hidden = Boolean(why) && Boolean(seen.task); // of a task that may not be so any more
    if (why && seen.task) { document.body.dataset.state = 'GONE'; put($('state'), 'no answer'); document.title = seen.task.service + ': no answer'; }
    if (why && seen.task && !seen.lostAt) seen.lostAt = now();
    if (why === null) seen.lostAt = 0;
  }

  function sample() {
    const n = seen.flow.in_flight, t = now();
    const last = seen.samples[seen.samples.length - 1];
    if (n === undefined || over) return;
    if (last && t - last.t < sampleEvery / 2) { last.n = Math.max(last.n, n); return; }
    seen.samples.push({ t, n });
    while (t - seen.samples[0].t > samples * sampleEvery) seen.samples.shift();
  }

  // clock is the time that is shown: it stands still once the task has gone.
  const clock = () => {
    const t = seen.task;
    if (t && t.stop.ended !== undefined) return t.stop.ended;
    return seen.lostAt || now();
  };

  // --- head

  function showHead() {
    const t = seen.task, body = document.body;
    const failing = t.conditions.filter(c => !c.ok);
    const past = t.state === 'RUNNING' && t.healthy && !failing.length; // what else is told is of before
    const well = t.code === 'ok' || past;
    body.dataset.state = t.state;
    body.dataset.well = t.healthy ? 'yes' : 'no';
    put($('service'), t.service || 'task ' + t.id);
    put($('state'), { STARTING: 'starting', RUNNING: t.healthy ? 'running, healthy' : 'running, not healthy', STOPPING: 'stopping', ENDED: 'ended, exit ' + t.exit }[t.state] || t.state);
    document.title = (t.service || t.id) + ': ' + $('state').textContent;
    const grave = t.state === 'RUNNING' && !t.healthy || t.state === 'ENDED';
    $('verdict').className = 'verdict' + (well || t.state === 'STARTING' && t.code === 'waits' ? '' : grave ? ' bad' : ' warn');
    put($('cause'), well ? wellText(t) : t.cause);
    const more = !well && t.fix ? 'Fix: ' + t.fix : past && t.code !== 'ok' ? 'Earlier: ' + t.cause : '';
    $('fix').hidden = !more;
    put($('fix'), more);
    facts();
  }

  function wellText(t) {
    if (t.state === 'ENDED') return t.sentence;
    if (t.state === 'STOPPING') return /^[A-Z]+$/.test(t.stop.cause || '') ? 'The task was asked to stop by ' + t.stop.cause + ', and stops in good order.' : 'The task stops in good order.';
    if (t.state === 'STARTING') return 'The task starts.';
    return t.conditions.some(c => !c.ok) ? t.cause : 'Nothing is wrong: every condition holds.';
  }

  function facts() {
    const t = seen.task, all = [];
    const life = clock();
    all.push((t.state === 'ENDED' ? 'lived ' : 'alive for ') + (life < 60000 ? span(life) : rough(life)));
    all.push('since ' + new Date(t.began).toLocaleTimeString());
    all.push('task ' + t.id);
    const to = $('facts');
    if (to.childElementCount !== all.length) to.replaceChildren(...all.map(x => make('span', '', x)));
    else all.forEach((x, i) => put(to.children[i], x));
  }

  // --- stop

  function showStop() {
    const t = seen.task, s = t.stop, card = $('stop');
    card.hidden = s.began === undefined;
    if (card.hidden) return;
    const began = name => { const u = t.units.find(u => u.name === name); return u && u.state === 'stopping' ? u.since : undefined; };
    const done = name => { const u = t.units.find(u => u.name === name); return !u || u.state === 'ended' || u.state === 'waiting'; };
    const propagation = s.steps.find(step => step.name === 'propagation'), inbound = began('inbound');
    const drains = inbound !== undefined && clock() - inbound >= (propagation ? propagation.at_most : 0);
    const how = name => {
      if (t.state === 'ENDED') return 'done';
      if (name === 'end') return '';
      if (name === 'propagation') return done('inbound') || drains ? 'done' : inbound !== undefined ? 'doing' : '';
      if (name === 'drain') return done('inbound') ? 'done' : drains ? 'doing' : '';
      return done(name) ? 'done' : began(name) !== undefined ? 'doing' : '';
    };
    $('steps').replaceChildren(...s.steps.map(step => {
      const li = make('li', how(step.name), step.name);
      li.append(make('span', '', '≤ ' + span(step.at_most)));
      if (li.className === 'doing') li.setAttribute('aria-current', 'step');
      return li;
    }));
    moveStop();
  }

  function moveStop() {
    const t = seen.task, s = t.stop;
    if (s.began === undefined) return;
    const elapsed = Math.max(0, clock() - s.began), left = Math.max(0, s.budget - elapsed);
    if (t.state === 'ENDED') {
      put($('stop-title'), 'Stopped');
      put($('stop-left'), 'in ' + span(elapsed) + ' of ' + span(s.budget));
    } else {
      put($('stop-title'), 'Stop budget');
      put($('stop-left'), (left / 1000).toFixed(1) + ' s left of ' + span(s.budget));
    }
    $('budget').firstChild.style.width = (100 * Math.min(1, elapsed / s.budget)).toFixed(2) + '%';
    $('budget').setAttribute('aria-label', span(elapsed) + ' of the stop budget of ' + span(s.budget) + ' are used');
    put($('stop-note'), drainText(t));
  }

  function drainText(t) {
    const n = seen.flow.in_flight, s = t.stop, parts = [];
    const inbound = t.units.find(u => u.name === 'inbound');
    if (s.drained) parts.push('The drain took ' + span(s.drained.ms) + ': ' + s.drained.start + ' in flight when it began, ' + (s.drained.cut || 'none') + ' cut.');
    else if (inbound && inbound.state === 'stopping') parts.push(n === undefined ? 'The inbound listener drains.' : 'Draining: ' + plural(n, seen.flow.protocol === 'http' ? 'request' : 'connection') + ' in flight.');
    if (t.state === 'ENDED') parts.push('Every unit has ended.');
    return parts.join(' ');
  }

  // --- timeline: the bars are of the entries, as `meshtask timeline` draws them

  function lives() {
    const t = seen.task, by = new Map(t.units.map(u => [u.name, { name: u.name, unit: u, parts: [], restarts: u.restarts }]));
    const begin = (l, kind, ms) => { end(l, ms); l.open = { kind, from: ms }; };
    const end = (l, ms) => { if (l.open) { l.parts.push({ kind: l.open.kind, from: l.open.from, to: ms }); l.open = null; } };
    for (const e of seen.entries) {
      const l = by.get(e.unit);
      if (!l) continue;
      switch (e.event) {
        case 'start': l.start = e.ms; begin(l, 'starting', e.ms); break;
        case 'ready': l.ready = e.ms; begin(l, 'up', e.ms); break;
        case 'stop': l.stop = e.ms; if (l.open) begin(l, 'stopping', e.ms); break;
        case 'ended': l.ended = e.ms; end(l, e.ms); break;
        case 'restart': case 'hung': case 'suspended': if (l.open && l.open.kind === 'up') begin(l, 'down', e.ms); break;
        case 'serving': case 'answers': case 'resumed': if (l.open && l.open.kind === 'down') begin(l, 'up', e.ms); break;
      }
    }
    const last = clock();
    for (const l of by.values()) {
      if (!l.open && !l.parts.length && l.unit.state !== 'waiting' && l.unit.state !== 'ended') l.open = { kind: l.unit.state === 'up' ? 'up' : 'starting', from: 0 }; // its entries are too old to be kept
      if (l.open) l.parts.push({ kind: l.open.kind, from: l.open.from, to: last, open: true });
    }
    return [...by.values()];
  }

  // axis maps a time to a part of the width. Between the way up and what matters now, the long
  // middle of a life is cut out.
  function axis() {
    const t = seen.task, last = clock();
    let settled = 0;
    for (const e of seen.entries) {
      if (e.way !== 'up' || e.ms > last) continue;
      if (['ready', 'mark', 'passing', 'listener'].includes(e.event)) settled = e.ms;
      if (e.event === 'passing' || e.event === 'mark' && e.text === 'T2' && !t.units.some(u => u.name === 'health-sync')) break;
    }
    const up = Math.max(600, settled * 1.12 + 60);
    const stopped = t.stop.began;
    if (t.state === 'STARTING' && stopped === undefined) return { pieces: [{ from: 0, to: Math.max(600, last * 1.08), x: 0, w: 1 }], cut: 0 };
    if (stopped === undefined && last <= up * 2) return { pieces: [{ from: 0, to: Math.max(last, up), x: 0, w: 1 }], cut: 0 };
    const tail = stopped === undefined ? { from: last - 60000, to: last }
      : { from: stopped - Math.max(80, (last - stopped) * .08), to: Math.max(last + (last - stopped) * (t.state === 'ENDED' ? .04 : .1), stopped + 800) };
    if (stopped !== undefined && tail.from <= up * 1.1) return { pieces: [{ from: 0, to: tail.to, x: 0, w: 1 }], cut: 0 };
    tail.from = Math.max(up, tail.from);
    const cut = tail.from - up, w = stopped === undefined ? .46 : .4, seam = cut > 0 ? .05 : .02;
    return { pieces: [{ from: 0, to: up, x: 0, w }, { from: tail.from, to: tail.to, x: w + seam, w: 1 - w - seam }], cut, seam: { x: w, w: seam } };
  }

  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 1800000, 3600000, 10800000, 43200000, 86400000];

  function draw() {
    const t = seen.task, box = $('drawing'), width = box.clientWidth;
    if (!t || !width) return;
    const rows = lives(), a = axis(), left = width < 520 ? 88 : 112, right = 12, rowHeight = 26, top = 38, bottom = 24;
    const room = width - left - right, height = top + rows.length * rowHeight + bottom;
    const x = ms => {
      for (const p of a.pieces) if (ms <= p.to) return left + room * (p.x + p.w * Math.max(0, (ms - p.from) / (p.to - p.from)));
      const p = a.pieces[a.pieces.length - 1];
      return left + room * (p.x + p.w);
    };
    const svg = shape('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spoken(rows) });
    rows.forEach((l, i) => {
      const y = top + i * rowHeight;
      svg.append(shape('text', { class: 'unit', x: 0, y: y + 17 }, l.name));
      for (const p of a.pieces) svg.append(shape('rect', { class: 'row', x: left + room * p.x, y: y + 11.5, width: room * p.w, height: 3, rx: 1.5 }));
    });
    grid(svg, a, left, room, top, height - bottom, t);
    rows.forEach((l, i) => bars(svg, l, top + i * rowHeight, x));
    if (a.seam) seam(svg, a, left, room, top, height - bottom);
    marks(svg, t, x, top, height - bottom, width - right);
    box.replaceChildren(svg);
  }

  function grid(svg, a, left, room, top, foot, t) {
    a.pieces.forEach((p, k) => {
      const px = room * p.w, step = steps.find(s => px * s / (p.to - p.from) >= 62) || steps[steps.length - 1];
      const recent = k > 0, zero = recent ? (t.stop.began === undefined ? p.to : t.stop.began) : 0;
      const first = Math.ceil((p.from - zero) / step) * step;
      let lastX = -99;
      for (let v = first; v + zero <= p.to + .001; v += step) {
        const at = left + room * (p.x + p.w * (v + zero - p.from) / (p.to - p.from));
        svg.append(shape('line', { class: 'tick', x1: at, x2: at, y1: top, y2: foot + 3 }));
        const text = v === 0 ? (recent ? (t.stop.began === undefined ? 'now' : 'stop') : '0') : (recent ? (v > 0 ? '+' : '−') : '') + tickText(Math.abs(v));
        const anchor = at > left + room - 16 ? 'end' : 'middle';
        if (at - lastX > 34) svg.append(shape('text', { class: 'axis', x: at, y: foot + 17, 'text-anchor': anchor }, text));
        lastX = at;
      }
    });
  }
  const tickText = ms => ms < 1000 ? ms + ' ms' : ms % 1000 ? (ms / 1000).toFixed(1) + ' s' : rough(ms);

  function bars(svg, l, y, x) {
    l.parts.forEach((p, i) => {
      const from = x(p.from), to = Math.max(x(p.to), from + 2);
      const bar = shape('rect', { class: p.kind, x: from, y: y + 6, width: to - from, height: 14, rx: Math.min(3, (to - from) / 2) });
      bar.append(shape('title', {}, `${l.name}: ${p.kind} ${p.open ? 'for' : 'took'} ${span(p.to - p.from)}, from ${instant(p.from)}`));
      svg.append(bar);
    });
    if (!l.parts.length && l.unit.waits) svg.append(shape('text', { class: 'word', x: x(0) + 6, y: y + 17 }, 'waits for ' + l.unit.waits));
  }

  function seam(svg, a, left, room, top, foot) {
    const x0 = left + room * a.seam.x, w = room * a.seam.w;
    svg.append(shape('rect', { class: 'seam', x: x0 + 1, y: top - 2, width: w - 2, height: foot - top + 6 }));
    for (const at of [x0 + 1, x0 + w - 1]) {
      let d = `M${at} ${top - 2}`;
      for (let y = top - 2, k = 0; y < foot + 2; y += 6, k++) d += ` L${at + (k % 2 ? -2.5 : 2.5)} ${Math.min(foot + 2, y + 6)}`;
      svg.append(shape('path', { class: 'zig', d }));
    }
    const text = shape('text', { class: 'word', 'text-anchor': 'middle', transform: `translate(${x0 + w / 2 + 4} ${(top + foot) / 2}) rotate(-90)` }, rough(a.cut) + ' left out');
    if (a.cut > 0 && w > 14) svg.append(text);
  }

  // marks draws T0 to T4 of both ways; names that would lie on each other are joined.
  function marks(svg, t, x, top, foot, edge) {
    const groups = [];
    for (const way of ['up', 'down']) for (const name of Object.keys(t.marks[way] || {}).sort()) {
      const at = x(t.marks[way][name]);
      svg.append(shape('line', { class: 'at', x1: at, x2: at, y1: top - 8, y2: foot }));
      const g = groups[groups.length - 1];
      if (g && g.way === way && at - g.last < 32) { g.names.push(name); g.last = at; }
      else groups.push({ way, names: [name], at, last: at });
    }
    let end = -99;
    for (const g of groups) {
      g.text = (g.way === 'down' ? '↓' : '↑') + g.names.join(' ');
      g.wide = g.text.length * 7.4;
      g.x = Math.max((g.at + g.last) / 2 - g.wide / 2, end + 8);
      end = g.x + g.wide;
    }
    for (let i = groups.length - 1, next = edge + 16; i >= 0; i--) {
      groups[i].x = Math.min(groups[i].x, next - 8 - groups[i].wide);
      next = groups[i].x;
      svg.append(shape('text', { class: 'mark', x: groups[i].x, y: top - 15 }, groups[i].text));
    }
  }

  const spoken = rows => 'Timeline. ' + rows.map(l => l.name + ' ' + l.unit.state).join(', ') + '.';

  function showMarks() {
    const t = seen.task, parts = [];
    for (const [way, title] of [['up', 'way up'], ['down', 'way down']]) {
      const names = Object.keys(t.marks[way] || {}).sort();
      if (!names.length) continue;
      const zero = way === 'up' ? 0 : t.marks[way][names[0]], p = make('p');
      p.append(make('em', '', title));
      for (const n of names) {
        const one = make('span');
        one.append(make('b', '', n), way === 'up' ? instant(t.marks[way][n]) : '+' + instant(t.marks[way][n] - zero));
        p.append(one);
      }
      parts.push(p);
    }
    $('marks').replaceChildren(...parts);
  }

  function showTable() {
    const cell = (row, v) => row.append(make('td', '', v));
    const body = $('units').tBodies[0];
    body.replaceChildren(...lives().map(l => {
      const row = make('tr'), th = make('th', '', l.name);
      th.scope = 'row';
      row.append(th);
      cell(row, l.unit.state);
      for (const v of [l.start, l.ready, l.stop, l.ended]) cell(row, v === undefined ? '–' : instant(v));
      cell(row, String(l.restarts));
      return row;
    }));
  }

  // --- conditions, upstreams, flow, events

  const signs = { yes: ['✓', 'holds'], no: ['✗', 'does not hold'], over: ['–', 'no longer'], quiet: ['·', 'not known yet'] };
  function line(kind, name, since, reason) {
    const li = make('li', kind), sign = make('span', 'sign', signs[kind][0]);
    sign.setAttribute('role', 'img');
    sign.setAttribute('aria-label', signs[kind][1]);
    const when = make('span', 'since');
    if (typeof since === 'number') when.dataset.since = since; else if (since) when.textContent = since;
    li.append(sign, make('span', 'name', name), when);
    if (reason) li.append(make('span', 'reason', reason));
    return li;
  }

  function showConditions() {
    const t = seen.task, good = t.conditions.filter(c => c.ok).length;
    put($('held'), t.state === 'ENDED' ? 'as they were at the end' : t.conditions.length ? (good === t.conditions.length ? 'all ' + good + ' hold' : good + ' of ' + t.conditions.length + ' hold') : '');
    // What a stop takes away is no fault.
    const kind = c => c.ok ? 'yes' : t.stop.began !== undefined && c.since >= t.stop.began ? 'over' : 'no';
    const order = ['no', 'yes', 'over'], sorted = [...t.conditions].sort((a, b) => order.indexOf(kind(a)) - order.indexOf(kind(b)));
    $('conditions').replaceChildren(...(sorted.length ? sorted.map(c => {
      const li = line(kind(c), c.name, c.since, c.reason);
      li.dataset.name = c.name;
      return li;
    }) : [make('li', 'none', 'None yet.')]));
    const ups = t.upstreams;
    $('upstreams-card').hidden = !ups.length;
    put($('upstreams-count'), String(ups.length));
    $('upstreams').replaceChildren(...ups.map(u => {
      const c = t.conditions.find(c => c.name === 'upstream:' + u.name), n = (seen.flow.instances || []).find(i => i.upstream === u.name);
      const count = n ? n.healthy + ' of ' + plural(n.total, 'instance') + ' healthy' : '';
      const li = line(c ? kind(c) : 'quiet', u.name, count, [u.listen, c && !c.ok ? c.reason : ''].filter(Boolean).join(' – '));
      li.dataset.name = u.name;
      return li;
    }));
    tickSince();
  }

  function tickSince() {
    const t = seen.task, at = clock();
    for (const e of document.querySelectorAll('[data-since]')) put(e, at - e.dataset.since < 1000 ? 'just now' : 'for ' + rough(at - e.dataset.since));
    if (t) facts();
  }

  function showFlow() {
    const t = seen.task;
    $('flow').hidden = !t.listen;
    const n = seen.flow.in_flight;
    put($('inflight'), n === undefined || over ? '–' : String(n));
    put($('route'), (t.app ? 'Through Envoy on ' + t.listen + ' to the app at ' + t.app : 'Envoy on ' + t.listen) + (seen.flow.protocol ? ', ' + seen.flow.protocol : '') + '.');
    const all = seen.samples, peak = Math.max(0, ...all.map(s => s.n));
    put($('peak'), all.length ? 'at most ' + peak + ' in the last two minutes' : '');
    const W = 240, H = 44, most = Math.max(4, peak);
    const svg = shape('svg', { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': all.length ? 'In flight over the last two minutes: at most ' + peak : 'Nothing measured yet' });
    svg.append(shape('line', { class: 'base', x1: 0, x2: W, y1: H - .5, y2: H - .5 }));
    if (all.length > 1) {
      const end = all[all.length - 1].t, px = s => W - (end - s.t) / (samples * sampleEvery) * W, py = s => H - 1 - s.n / most * (H - 6);
      const path = all.map((s, i) => (i ? 'L' : 'M') + px(s).toFixed(1) + ' ' + py(s).toFixed(1)).join(' ');
      svg.append(shape('path', { class: 'area', d: `${path} L${W} ${H} L${px(all[0]).toFixed(1)} ${H} Z` }), shape('path', { class: 'edge', d: path }));
    }
    $('spark').replaceChildren(svg);
  }

  const bad = ['restart', 'killed', 'hung', 'oom', 'suspended', 'app-unhealthy', 'lease-lost'];
  let listed = -1;
  function showEvents() {
    const all = seen.entries;
    const mark = all.length ? all.length + '/' + all[all.length - 1].ms : 'none';
    if (mark === listed) return;
    listed = mark;
    $('events').replaceChildren(...all.slice(-150).reverse().map(e => {
      const li = make('li', e.event === 'mark' ? 'point' : bad.includes(e.event) || / does not hold$/.test(e.text || '') ? 'bad' : '');
      const what = e.event === 'mark' ? e.text + (e.way === 'down' ? ' down' : ' up') : e.event === 'condition' ? e.text : e.event + (e.text ? ' ' + e.text : '');
      li.append(make('span', 'ms', stamp(e.ms)), make('span', 'unit', e.event === 'mark' ? '' : e.unit), make('span', 'what', what));
      return li;
    }));
  }

  function show() {
    if (!seen.task) return;
    showHead(); showStop(); showMarks(); showTable(); showConditions(); showFlow(); showEvents(); draw();
  }

  // --- time goes on

  let drawn = 0;
  function frame(at) {
    requestAnimationFrame(frame);
    const t = seen.task;
    if (!t || over || seen.lostAt) return;
    const lively = (t.state === 'STARTING' || t.state === 'STOPPING') && !still.matches;
    if (at - drawn < (lively ? 40 : 1000)) return;
    drawn = at;
    draw(); tickSince(); sample(); showFlow();
    if (t.stop.began !== undefined) showStop();
  }
  new ResizeObserver(() => draw()).observe($('drawing'));
  requestAnimationFrame(frame);
  listen();
})();
