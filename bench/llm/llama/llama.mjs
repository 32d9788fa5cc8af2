// llama.cpp as node-llama-cpp brings it, built for several instruction sets: answers of many sequences in one batch.
// Prints one JSON object. Arguments: model, file of prompts, threads, tokens of an answer, numbers of streams.

import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const [folder, modelPath, prompts, threads, tokens, ...streams] = process.argv.slice(2);
const entry = createRequire(join(folder, "package.json")).resolve("node-llama-cpp");
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(entry));
const texts = JSON.parse(readFileSync(prompts, "utf8"));
const counts = streams.map(Number);

const llama = await getLlama({
    gpu: false, build: "never", skipDownload: true, maxThreads: Number(threads), logLevel: LlamaLogLevel.error
});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({
    sequences: Math.max(...counts), contextSize: 1024, batchSize: 512, threads: Number(threads)
});
const free = Array.from({length: Math.max(...counts)}, () => context.getSequence());

async function answer(sequence, text, limit) {
    const began = performance.now();
    const times = [];
    await sequence.clearHistory();
    for await (const _ of sequence.evaluate(model.tokenize(text, true), {temperature: 0, yieldEogToken: true})) {
        times.push((performance.now() - began) / 1000);
        if (times.length === limit) break;
    }
    return times;
}

function median(values) {
    const sorted = values.toSorted((one, other) => one - other);
    const middle = Math.floor(sorted.length / 2);
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

await answer(free[0], texts[0], 4);
const found = {};
for (const count of counts) {
    const began = performance.now();
    const all = await Promise.all(free.slice(0, count).map((one, at) => answer(one, texts[at], Number(tokens))));
    const seconds = (performance.now() - began) / 1000;
    const firsts = all.map((times) => times[0]);
    const gaps = all.flatMap((times) => times.slice(1).map((time, at) => time - times[at]));
    found[`s${count}.tokens_per_second`] = all.reduce((sum, times) => sum + times.length, 0) / seconds;
    found[`s${count}.first_median`] = median(firsts);
    found[`s${count}.first_worst`] = Math.max(...firsts);
    found[`s${count}.between_median`] = median(gaps);
}
found.memory = process.memoryUsage().rss / 1024 / 1024;
console.log(JSON.stringify(found));
process.exit(0);
