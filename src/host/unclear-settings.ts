import type { Finding } from '../domain/finding.ts';
import type { HostSettings, HostTree } from '../domain/host.ts';
import { componentId } from '../domain/component.ts';
import type { DjangoSettings } from './django-settings.ts';

const PARTS = [
  ['MEDIA_ROOT', 'media'],
  ['STATIC_ROOT', 'staticfiles'],
] as const;

/** What of Django's settings could not be read and decides where files lie: nobody else would miss them before a restore. */
export function tellUnclear(django: DjangoSettings | null, trees: readonly HostTree[], paths: HostSettings['paths']): readonly Finding[] {
  if (django === null) return [];
  if (!django.areThere) {
    if (paths.media !== undefined) return [];
    const message =
      'the settings that manage.py names are not here or it names none: media and databases are taken from their usual places';
    const hint = 'set DJANGO_SETTINGS_MODULE in .env, or name the places under `host: paths:` and `host: databases:`';
    return [{ severity: 'warning', code: 'settings-unread', subject: 'manage.py', message, hint }];
  }
  const elsewhere: readonly Finding[] =
    django.uploadsTo === null
      ? []
      : [
          {
            severity: 'info',
            code: 'uploads-elsewhere',
            subject: 'media',
            message: `Django keeps uploads with ${django.uploadsTo}: what is not in a folder of this machine is NOT in this snapshot`,
          },
        ];
  const unclear = PARTS.filter(([name, part]) => django.unclear.includes(name) && paths[part] === undefined).map(
    ([name, part]): Finding => {
      const id = componentId('files', part);
      const taken = trees.find((tree) => tree.id === id);
      return {
        // What collectstatic makes can be made again; uploads that are nowhere in a snapshot are lost with the disk.
        severity: part !== 'media' ? 'info' : taken === undefined ? 'error' : 'warning',
        code: 'settings-unread',
        subject: name,
        message: `Django's settings say only to Python, or on a condition, where ${name} lies: ${taken === undefined ? `nothing is captured as ${id}` : `${id} is ${taken.path}`}`,
        hint: `name its place, or false for none: \`host: paths: {${part}: …}\``,
      };
    },
  );
  return [...elsewhere, ...unclear];
}
