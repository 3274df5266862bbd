import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { unpackPackages } from './debian-packages.ts';
import { pauseProgram } from './pause-program.ts';
import { runCommand } from './run-command.ts';

/** What the tests ask for; each is a complete image reference of the engine under test. */
export interface TestImages {
  readonly postgres15: string;
  readonly postgres17: string;
  /** Debian with GNU tar and Python 3. */
  readonly debian: string;
  readonly nginx: string;
  /** A shell and applets, but no GNU tar. */
  readonly busybox: string;
  /** Not a single file. */
  readonly empty: string;
  /** One static program that sleeps for ever; no shell. */
  readonly noshell: string;
}

export type TestImageName = keyof TestImages;

export interface ImageRecipe {
  readonly repository: string;
  readonly tag: string;
  /** The official image that takes its place where a registry answers. */
  readonly official?: string;
  /** Dockerfile instructions for the imported file system. */
  readonly changes: readonly string[];
  readonly content: ImageContent;
}

export type ImageContent =
  | { readonly kind: 'debian'; readonly suite: string; readonly packages: readonly string[]; readonly hooks: readonly string[] }
  | { readonly kind: 'from'; readonly image: TestImageName }
  | { readonly kind: 'folder'; readonly fill: (folder: string) => Promise<void> };

export const postgresFiles = join(import.meta.dirname, '..', 'images', 'postgres');

export const imageRecipes: Readonly<Record<TestImageName, ImageRecipe>> = {
  postgres17: postgres('17', 'trixie'),
  postgres15: postgres('15', 'bookworm'),
  debian: {
    repository: 'debian',
    tag: 'bookworm',
    official: 'python:3.11-slim-bookworm',
    changes: ['CMD ["bash"]'],
    content: {
      kind: 'debian',
      suite: 'bookworm',
      packages: ['python3', 'nginx-light'],
      hooks: ['rm -f "$1"/etc/nginx/sites-enabled/default'],
    },
  },
  nginx: {
    repository: 'nginx',
    tag: '1',
    official: 'nginx:1',
    changes: ['CMD ["nginx", "-g", "daemon off;"]', 'EXPOSE 80', 'STOPSIGNAL SIGQUIT'],
    content: { kind: 'from', image: 'debian' },
  },
  busybox: {
    repository: 'busybox',
    tag: '1',
    official: 'busybox:stable',
    changes: ['CMD ["sh"]'],
    content: { kind: 'folder', fill: fillBusybox },
  },
  empty: { repository: 'empty', tag: '1', changes: ['CMD ["/nothing"]'], content: { kind: 'folder', fill: async () => {} } },
  noshell: {
    repository: 'noshell',
    tag: '1',
    // As process 1 it ignores every signal but this one.
    changes: ['ENTRYPOINT ["/pause"]', 'STOPSIGNAL SIGKILL'],
    content: { kind: 'folder', fill: fillPause },
  },
};

function postgres(major: string, suite: string): ImageRecipe {
  const sample = `"$1"/usr/share/postgresql/${major}/postgresql.conf.sample`;
  return {
    repository: 'postgres',
    tag: major,
    official: `postgres:${major}`,
    changes: [
      `ENV PG_MAJOR=${major} PGDATA=/var/lib/postgresql/data LANG=C.UTF-8`,
      `ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/${major}/bin`,
      'VOLUME ["/var/lib/postgresql/data"]',
      'EXPOSE 5432',
      'STOPSIGNAL SIGINT',
      'ENTRYPOINT ["docker-entrypoint.sh"]',
      'CMD ["postgres"]',
    ],
    content: {
      kind: 'debian',
      suite,
      packages: [`postgresql-${major}`],
      hooks: [
        `sed -ri "s/^#?(listen_addresses)[[:space:]]*=.*/\\1 = '*'/" ${sample}`,
        'install -m 755 "$MCADS_IMAGE_FILES"/docker-entrypoint.sh "$1"/usr/local/bin/',
        'mkdir -p "$1"/docker-entrypoint-initdb.d',
        'chroot "$1" install -d -o postgres -g postgres -m 1777 /var/lib/postgresql/data',
        'chroot "$1" install -d -o postgres -g postgres -m 3777 /var/run/postgresql',
      ],
    },
  };
}

/** Options of every Debian image: what no test reads is left out; postgres has the official image's ids and no cluster of Debian's own. */
export const debianOptions: readonly string[] = [
  '--variant=apt',
  '--skip=cleanup/run',
  '--dpkgopt=force-unsafe-io',
  ...['doc', 'man', 'info', 'locale', 'i18n'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`),
  '--dpkgopt=path-exclude=*/libLLVM*',
  '--dpkgopt=path-exclude=*/llvmjit*',
  '--dpkgopt=path-exclude=*/bitcode/*',
  '--aptopt=Acquire::Languages "none"',
  '--aptopt=APT::Install-Recommends "false"',
  '--essential-hook=mkdir -p "$1"/etc/postgresql-common',
  '--essential-hook=echo "create_main_cluster = false" > "$1"/etc/postgresql-common/createcluster.conf',
  '--essential-hook=echo "postgres:x:999:" >> "$1"/etc/group',
  '--essential-hook=echo "postgres:x:999:999::/var/lib/postgresql:/bin/bash" >> "$1"/etc/passwd',
];

/** The names that the images have in every engine; each tag carries a hash of all that its image is made from. */
export async function testImages(): Promise<TestImages> {
  const files = await readFile(join(postgresFiles, 'docker-entrypoint.sh'), 'utf8');
  const reference = (name: TestImageName): string => {
    const { repository, tag, content, changes } = imageRecipes[name];
    const origin = content.kind === 'from' ? reference(content.image) : '';
    const made = JSON.stringify([content, changes, origin, debianOptions, files, process.arch]);
    return `mcads-test/${repository}:${tag}-${createHash('sha256').update(made).digest('hex').slice(0, 12)}`;
  };
  return {
    postgres15: reference('postgres15'),
    postgres17: reference('postgres17'),
    debian: reference('debian'),
    nginx: reference('nginx'),
    busybox: reference('busybox'),
    empty: reference('empty'),
    noshell: reference('noshell'),
  };
}

async function fillBusybox(root: string): Promise<void> {
  const unpacked = await unpackPackages('trixie', ['busybox-static']);
  const program = join(unpacked, 'usr/bin/busybox');
  const files: readonly (readonly [string, string, number])[] = [
    ['etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n', 0o644],
    ['etc/group', 'root:x:0:\nnogroup:x:65534:\n', 0o644],
  ];
  await mkdir(join(root, 'bin'));
  await mkdir(join(root, 'root'));
  await mkdir(join(root, 'tmp'));
  await chmod(join(root, 'tmp'), 0o1777);
  await writeFile(join(root, 'bin/busybox'), await readFile(program), { mode: 0o755 });
  for (const [path, text, mode] of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text, { mode });
  }
  const applets = (await runCommand(program, ['--list'])).stdout.split('\n').filter((applet) => applet !== '' && applet !== 'busybox');
  for (const applet of applets) await symlink('busybox', join(root, 'bin', applet));
}

async function fillPause(root: string): Promise<void> {
  await writeFile(join(root, 'pause'), pauseProgram(process.arch), { mode: 0o755 });
}
