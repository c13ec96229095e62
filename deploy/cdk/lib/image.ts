import { readFileSync } from 'node:fs';

/** What an image declares. */
export interface ImageConfig {
  readonly Entrypoint?: string[] | null;
  readonly Cmd?: string[] | null;
  readonly StopSignal?: string;
}

/** Reads the output of docker inspect IMAGE, or an image's configuration from a registry. */
export function imageConfig(file: string): ImageConfig {
  const doc = JSON.parse(readFileSync(file, 'utf8'));
  const found = (Array.isArray(doc) ? doc[0] : doc) as { Config?: ImageConfig; config?: ImageConfig };
  const config = found?.Config ?? found?.config;
  if (!config) {
    throw new Error(`${file} has no Config: want what docker inspect IMAGE prints, or an image's configuration from a registry`);
  }
  return config;
}

interface Commanded {
  readonly name: string;
  readonly entryPoint?: string[];
  readonly command?: string[];
  readonly environment?: Record<string, string>;
  readonly imageConfig?: ImageConfig;
}

/** The whole command of an app: an entryPoint drops the image's CMD too, as docker does. */
export function argv(app: Commanded): { entry: string[]; command: string[] } {
  const own = app.entryPoint ?? [];
  const entry = own.length > 0 ? own : app.imageConfig?.Entrypoint ?? [];
  const said = app.command ?? [];
  const command = said.length > 0 || own.length > 0 ? said : app.imageConfig?.Cmd ?? [];
  if (entry.length + command.length === 0) {
    throw new Error(`container ${app.name} has neither command nor entryPoint, and meshtask has to come before the image's: give imageConfig of docker inspect IMAGE >${app.name}.json, or write the container's command`);
  }
  if (entry.length === 0 && command[0].startsWith('-')) {
    throw new Error(`the command of container ${app.name} begins with -: these are arguments of the image's ENTRYPOINT, which ECS drops. Write the container's entryPoint, or give imageConfig`);
  }
  return { entry, command };
}

const numbers: Record<string, string> = { 1: 'HUP', 2: 'INT', 3: 'QUIT', 9: 'KILL', 10: 'USR1', 12: 'USR2', 15: 'TERM', 19: 'STOP', 28: 'WINCH' };

/** ECS sends the image's STOPSIGNAL instead of TERM. TERM, INT and QUIT begin a stop by themselves. */
export function stopOn(app: Commanded): Record<string, string> {
  const said = app.imageConfig?.StopSignal ?? '';
  const signal = numbers[said] ?? said.toUpperCase().replace(/^SIG/, '');
  if (['KILL', 'STOP'].includes(signal)) {
    throw new Error(`the STOPSIGNAL of the image of container ${app.name} cannot begin a stop: build the image with STOPSIGNAL SIGTERM`);
  }
  return ['', 'TERM', 'INT', 'QUIT'].includes(signal) || app.environment?.['MESHTASK_STOP_ON'] ? {} : { MESHTASK_STOP_ON: signal };
}
