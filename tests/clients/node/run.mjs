// Runs all checks in JavaScript, one after the other: they share a task queue.

import './tasks.mjs';
import './artifacts.mjs';
import './services.mjs';
import './credentials.mjs';
import './workers.mjs';
