// BullMQ: `peer.mjs enqueue` or `peer.mjs worker`. What both are told is in bench/src/subject/contract.rs.
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { Queue, Worker } from "bullmq";

const env = process.env;
const number = (name) => Number(env[name] ?? "0");
const url = new URL(env.BENCH_URL);
const connection = { host: url.hostname, port: Number(url.port), db: 0, maxRetriesPerRequest: null };
const micros = () => Math.round((performance.timeOrigin + performance.now()) * 1000);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Counts bodies; a timer writes the count down now and then, beside the work.
let count = 0, first = 0, last = 0, written = 0;
function ran() {
  last = micros();
  if (count++ === 0) first = last;
}
function note() {
  if (count === written) return;
  const path = `${env.BENCH_NOTES}/${process.pid}`;
  writeFileSync(`${path}.part`, `${count} ${first} ${last}`);
  renameSync(`${path}.part`, `${path}.ran`);
  written = count;
}

const bodies = {
  noop: async () => ran(),
  blob: async () => ran(),
  stamp: async ({ at }) => appendFileSync(`${env.BENCH_NOTES}/late`, `${micros() - at}\n`),
  ledger: async ({ n, file }) => {
    await sleep(5);
    appendFileSync(file, `${n}\n`);
  },
};

function data(task, n) {
  switch (task) {
    case "noop": return { n };
    case "blob": return { text: "0123456789".repeat(10) };
    case "stamp": return { at: micros() + number("BENCH_DELAY_MS") * 1000 };
    default: return { n, file: env.BENCH_FILE };
  }
}

async function enqueue() {
  const queue = new Queue("bench", { connection });
  await queue.waitUntilReady();
  const task = env.BENCH_TASK, total = number("BENCH_COUNT"), delay = number("BENCH_DELAY_MS");
  const keep = env.BENCH_RESULTS === "1";
  const opts = { removeOnComplete: !keep, removeOnFail: false, ...(delay ? { delay } : {}) };
  const begun = performance.now();
  if (env.BENCH_SINGLE === "1" || task === "stamp") {
    for (let n = 0; n < total; n++) {
      await queue.add(task, data(task, n), opts);
      if (task === "stamp") await sleep(number("BENCH_GAP_MS"));
    }
  } else {
    for (let start = 0; start < total; start += 1000) {
      const size = Math.min(1000, total - start);
      await queue.addBulk(Array.from({ length: size }, (_, i) => ({ name: task, data: data(task, start + i), opts })));
    }
  }
  console.log(`enqueued ${total} ${(performance.now() - begun) / 1000}`);
  await queue.close();
}

async function worker() {
  setInterval(note, 10);
  const work = new Worker("bench", (job) => bodies[job.name](job.data), {
    connection,
    concurrency: number("BENCH_CONCURRENCY"),
  });
  work.on("error", (error) => console.error(error.message));
  process.once("SIGTERM", async () => {
    await work.close();
    process.exit(0);
  });
}

await (process.argv[2] === "enqueue" ? enqueue() : worker());
