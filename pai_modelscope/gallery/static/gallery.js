'use strict';
const by = (id) => document.getElementById(id);
const root = document.body.dataset.root;

// Light and dark: the system's choice until the button is used.
const dark = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';
const showTheme = () => by('theme').setAttribute('aria-pressed', String(isDark()));
by('theme').addEventListener('click', () => {
  const theme = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  try { localStorage.setItem('theme', theme); } catch { /* then only this page changes */ }
  showTheme();
});
dark.addEventListener('change', showTheme);
showTheme();

// Before and after.
for (const range of document.querySelectorAll('.stage input')) {
  const move = () => range.parentElement.style.setProperty('--at', `${range.value}%`);
  range.addEventListener('input', move);
  move();
}

// Copying. Pages opened as files are not allowed the clipboard in every browser: the old way is the second try.
const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement('textarea');
    field.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    return done;
  }
  return true;
};
document.addEventListener('click', async (event) => {
  const button = event.target.closest('.copy');
  if (!button) return;
  const done = await copy(button.parentElement.querySelector('code').textContent);
  button.textContent = done ? '已复制' : '请手动复制';
  setTimeout(() => { button.textContent = '复制'; }, 1500);
});

// One picture in large, with what makes it. Its address ends on the picture's id, so that a link can open it.
const detail = by('detail');
const cards = [...document.querySelectorAll('.card')];
let shown = null;
const fill = (card) => {
  shown = card;
  const { prompt, seed, model, python, command, notebook } = card.dataset;
  const picture = card.querySelector('img');
  by('detail-picture').src = picture.src;
  by('detail-picture').alt = picture.alt;
  by('detail-title').textContent = card.querySelector('.prompt').textContent;
  by('detail-prompt').textContent = prompt;
  by('detail-seed').textContent = seed;
  by('detail-model').textContent = model;
  detail.querySelectorAll('.code').forEach((block, place) => {
    const text = [python, command][place];
    block.hidden = !text;
    block.querySelector('code').textContent = text;
  });
  by('detail-notebook').hidden = !notebook;
  by('detail-notebook').querySelector('a').href = notebook;
  history.replaceState(null, '', `#${card.id}`);
};
const openNamed = () => {
  const card = cards.find((each) => `#${each.id}` === decodeURIComponent(location.hash));
  if (!card) return;
  fill(card);
  if (!detail.open) detail.showModal();
};
if (detail) {
  for (const card of cards) card.addEventListener('click', () => { fill(card); detail.showModal(); });
  detail.addEventListener('close', () => {
    history.replaceState(null, '', location.pathname + location.search);
    shown.focus({ preventScroll: true });
    shown.scrollIntoView({ block: 'nearest' });
  });
  detail.addEventListener('click', (event) => { if (event.target === detail) detail.close(); });
  detail.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.closest('pre')) return;
    fill(cards[(cards.indexOf(shown) + step + cards.length) % cards.length]);
  });
  addEventListener('hashchange', openNamed);
  openNamed();
}

// Search: every word has to occur, anywhere. Chinese has no spaces to tell words apart, so nothing is cut into words.
const field = by('search');
const found = by('found');
const plain = (text) => text.normalize('NFKC').toLowerCase();
const MOST = 30;
const AROUND = 28;
const snippet = (text, word) => {
  const place = plain(text).indexOf(word);
  const line = document.createElement('span');
  line.className = 'snippet-line';
  if (place < 0) return line;
  const start = Math.max(0, place - AROUND);
  const mark = document.createElement('mark');
  mark.textContent = text.slice(place, place + word.length);
  line.append(start ? '…' : '', text.slice(start, place), mark, text.slice(place + word.length, place + word.length + AROUND), '…');
  return line;
};
const result = (entry, words) => {
  const link = document.createElement('a');
  link.href = root + entry.url;
  if (entry.picture) {
    const picture = document.createElement('img');
    picture.src = root + entry.picture;
    picture.alt = '';
    link.append(picture);
  }
  const text = document.createElement('span');
  const title = document.createElement('strong');
  title.textContent = entry.title;
  text.append(title, entry.picture ? '' : snippet(entry.text, words.find((word) => plain(entry.text).includes(word)) ?? ''));
  link.append(text);
  link.addEventListener('click', () => { found.hidden = true; });
  return link;
};
const search = () => {
  const words = plain(field.value).split(/\s+/).filter(Boolean);
  found.hidden = !words.length;
  if (!words.length) return;
  const hits = window.GALLERY_SEARCH.filter((entry) => words.every((word) => plain(`${entry.title} ${entry.text}`).includes(word)));
  const head = document.createElement('p');
  head.textContent = hits.length ? `找到 ${hits.length} 处${hits.length > MOST ? `，列出前 ${MOST} 处` : ''}` : '没有找到，换个词试试';
  found.replaceChildren(head, ...hits.slice(0, MOST).map((entry) => result(entry, words)));
};
field.addEventListener('input', search);
field.addEventListener('focus', search);
field.form.addEventListener('submit', (event) => { event.preventDefault(); found.querySelector('a')?.click(); });
field.form.addEventListener('keydown', (event) => {
  const links = [field, ...found.querySelectorAll('a')];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === 'Escape') { found.hidden = true; field.focus(); }
  if (!step || found.hidden) return;
  event.preventDefault();
  links[Math.min(links.length - 1, Math.max(0, links.indexOf(document.activeElement) + step))].focus();
});
document.addEventListener('click', (event) => { if (!field.form.contains(event.target)) found.hidden = true; });
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && !event.target.closest('input, textarea')) { event.preventDefault(); field.focus(); }
});
