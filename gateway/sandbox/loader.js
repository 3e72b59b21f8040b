// The stand-in's tracking script: gives the visitor a cookie, and sends PageView by itself.
(function () {
  var tracker = new URL("/api/v2", document.currentScript.src).href;
  var calls = (window.eS && window.eS.q) || [];

  function cookie() {
    var found = document.cookie.match(/(?:^|; )sc=([^;]+)/);
    if (found) return found[1];
    var made = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);
    document.cookie = "sc=" + made + "; path=/; max-age=31536000; SameSite=Lax";
    return made;
  }

  function send(event, block) {
    var message = {
      GeneralInfo: {
        eventName: event,
        siteId: "SITE_ID",
        datetime: Date.now(),
        cookies: { sc: cookie() },
        s_location: location.href,
      },
    };
    message[event] = block || {};
    // A plain text body needs no permission from the tracker's origin.
    fetch(tracker, { method: "POST", mode: "no-cors", keepalive: true, body: JSON.stringify(message) });
  }

  window.eS = function (verb, name, block) {
    if (verb === "init") send("PageView");
    else if (verb === "sendEvent") send(name, block && block[name]);
  };
  for (var i = 0; i < calls.length; i++) window.eS.apply(null, calls[i]);
})();
