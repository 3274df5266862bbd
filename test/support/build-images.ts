// Puts the test images into the engine that DOCKER_HOST names, for trials by hand.
import { ensureImages } from './images.ts';

const images = await ensureImages(process.env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock');
process.stdout.write(`${JSON.stringify(images, null, 2)}\n`);
