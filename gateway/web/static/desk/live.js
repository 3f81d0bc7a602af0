// The live line. A frame says "look again", never what is there; when the line is down the page asks by itself.

import { POLL_MS } from "./state.js";

let socket = null;
let wanted = "";
let pause = 500;

export function watch(id) {
  wanted = id;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ open: id }));
}

export function connect(on) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/desk/socket`);
  socket.onopen = () => {
    pause = 500;
    on.up();
    watch(wanted);
  };
  socket.onmessage = (event) => on.frame(JSON.parse(event.data));
  socket.onclose = (event) => {
    on.down();
    if (event.code === 4401) return dispatchEvent(new Event("loggedout"));
    setTimeout(() => connect(on), pause * (0.5 + Math.random()));
    pause = Math.min(pause * 2, 10000);
  };
}

export function pollWhenDown(look) {
  setInterval(() => { if (socket && socket.readyState !== WebSocket.OPEN) look(); }, POLL_MS);
}
