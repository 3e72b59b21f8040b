// The stand-in's web push worker: takes over at once and shows what is pushed.
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => {
  const text = event.data ? event.data.text() : "";
  event.waitUntil(self.registration.showNotification(text));
});
