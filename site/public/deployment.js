// Where this site finds its backend. A deployment replaces this file; the pages are the same everywhere.
globalThis.deployment = { url: "http://127.0.0.1:3210" };
