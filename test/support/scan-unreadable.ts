import { openLocalTree } from '../../src/host/local-tree.ts';
import { captureTree } from '../../src/pipeline/capture-tree.ts';
import { parseCatalogue } from '../../src/stream/catalogue.ts';
import { MemoryWriter } from './memory-writer.ts';

/** Captures the tree named in the arguments as whoever runs it, and prints findings and stored paths as JSON. */
const signal = new AbortController().signal;
await using writer = new MemoryWriter();
await using source = await openLocalTree(process.argv[2] ?? '', {}, signal);
const result = await captureTree(source, writer, { parent: null, exclude: [], neverCapture: [] }, signal);
const [, catalogue] = result.artifacts;
const paths = catalogue === undefined ? [] : await Array.fromAsync(parseCatalogue(writer.read(catalogue)), ({ path }) => path);
process.stdout.write(JSON.stringify({ findings: result.findings, torn: result.torn, paths }));
