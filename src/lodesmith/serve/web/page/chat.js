// Talks to the server that the page came from, through the same API as every other client.
"use strict";

const WORDS = {
  en: {
    model: "Model", new: "New", settings: "Settings", key: "API key", system: "System message",
    temperature: "Temperature", max_tokens: "Tokens at most", seed: "Seed", random: "random",
    ask: "Ask something", send: "Send", stop: "Stop", other: "中文",
    empty: "Ask the model something.", stopped: "stopped", length: "the answer reached its limit",
    lost: "The server does not answer.", need_key: "This server wants an API key: see Settings.",
  },
  zh: {
    model: "模型", new: "新对话", settings: "设置", key: "API 密钥", system: "系统消息",
    temperature: "温度", max_tokens: "最多词元数", seed: "随机种子", random: "随机",
    ask: "问点什么", send: "发送", stop: "停止", other: "English",
    empty: "向模型提个问题吧。", stopped: "已停止", length: "回答已达长度上限",
    lost: "服务器没有回应。", need_key: "该服务器需要 API 密钥，请在设置中填写。",
  },
};
const KEPT = ["key", "system", "temperature", "top_p", "max_tokens", "seed"];
const at = (id) => document.getElementById(id);
const saved = (name) => sessionStorage.getItem("lodesmith." + name);
const save = (name, value) => sessionStorage.setItem("lodesmith." + name, value);

let language = saved("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
let messages = [];
let running = null; // aborts the answer that is being made

function say(name) { return WORDS[language][name]; }

function showWords() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = say(each.dataset.text);
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = say(each.dataset.placeholder);
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", say(each.dataset.label));
  at("language").textContent = say("other");
  const empty = document.querySelector(".empty");
  if (empty) empty.textContent = say("empty");
}

function add(kind, text) {
  document.querySelector(".empty")?.remove();
  const turn = document.createElement("div");
  turn.className = kind;
  turn.textContent = text; // never as HTML: a model may write anything
  at("talk").append(turn);
  turn.scrollIntoView({ block: "end" });
  return turn;
}

function startAnew() {
  running?.abort();
  messages = [];
  at("talk").innerHTML = "";
  add("empty", say("empty"));
}

function headers() {
  const key = at("key").value.trim();
  return { "Content-Type": "application/json", ...(key && { Authorization: "Bearer " + key }) };
}

async function listModels() {
  try {
    const response = await fetch("/v1/models", { headers: headers() });
    if (response.status === 401) throw new Error(say("need_key"));
    const names = (await response.json()).data.map((card) => card.id);
    at("model").replaceChildren(...names.map((name) => new Option(name, name)));
  } catch (error) {
    add("turn wrong", error instanceof TypeError ? say("lost") : error.message);
  }
}

function body() {
  const number = (id) => (at(id).value === "" ? {} : { [id]: Number(at(id).value) });
  const system = at("system").value.trim();
  return {
    model: at("model").value, stream: true,
    messages: [...(system ? [{ role: "system", content: system }] : []), ...messages],
    ...number("temperature"), ...number("top_p"), ...number("max_tokens"), ...number("seed"),
  };
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) if (block !== "data: [DONE]") yield JSON.parse(block.slice(6));
  }
}

async function readAnswer(turn) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST", headers: headers(), body: JSON.stringify(body()), signal: running.signal,
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  let reason = null;
  for await (const event of events(response)) {
    if (event.error) throw new Error(event.error.message);
    const choice = event.choices[0];
    reason = choice?.finish_reason ?? reason;
    const isAtEnd = at("talk").scrollHeight - at("talk").scrollTop - at("talk").clientHeight < 40;
    turn.textContent += choice?.delta.content ?? "";
    if (isAtEnd) at("talk").scrollTop = at("talk").scrollHeight;
  }
  return reason;
}

async function answer() {
  running = new AbortController();
  at("send").hidden = true;
  at("stop").hidden = false;
  const talked = messages;
  const turn = add("turn assistant busy", "");
  try {
    const reason = await readAnswer(turn);
    if (reason === "length") add("note", say("length"));
  } catch (error) {
    if (error.name === "AbortError") add("note", say("stopped"));
    else add("turn wrong", error instanceof TypeError ? say("lost") : error.message);
  } finally {
    turn.classList.remove("busy");
    if (turn.textContent) talked.push({ role: "assistant", content: turn.textContent });
    else turn.remove();
    running = null;
    at("send").hidden = false;
    at("stop").hidden = true;
    at("question").focus();
  }
}

function ask(event) {
  event.preventDefault();
  const question = at("question").value.trim();
  if (!question || running) return;
  at("question").value = "";
  at("question").rows = 1;
  messages.push({ role: "user", content: question });
  add("turn user", question);
  answer();
}

at("ask").addEventListener("submit", ask);
at("stop").addEventListener("click", () => running?.abort());
at("new").addEventListener("click", startAnew);
at("question").addEventListener("input", ({ target }) => { target.rows = Math.min(8, target.value.split("\n").length); });
at("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) ask(event);
});
at("open-settings").addEventListener("click", ({ currentTarget }) => {
  at("settings").hidden = !at("settings").hidden;
  currentTarget.setAttribute("aria-expanded", String(!at("settings").hidden));
});
at("language").addEventListener("click", () => {
  language = language === "zh" ? "en" : "zh";
  save("language", language);
  showWords();
});
for (const name of KEPT) {
  const field = at(name);
  field.value = saved(name) ?? field.value;
  const show = () => { const output = field.parentElement.querySelector("output"); if (output) output.value = field.value; };
  field.addEventListener("input", () => { save(name, field.value); show(); });
  show();
}
at("key").addEventListener("change", listModels);
startAnew();
showWords();
listModels();
