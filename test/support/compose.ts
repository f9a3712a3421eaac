import { isExecutableIn, onPath } from './on-path.js'

/** Where Docker looks for its subcommand `compose`. */
const PLUGINS = ['/usr/local/lib', '/usr/local/libexec', '/usr/lib', '/usr/libexec'].map(
  (above) => `${above}/docker/cli-plugins`,
)

/** `docker compose` where that is installed, else docker-compose as Debian has it; undefined when there is neither. */
export function composeCommand(): { command: string; args: readonly string[] } | undefined {
  if (isExecutableIn(PLUGINS, 'docker-compose')) return { command: 'docker', args: ['compose'] }
  return onPath('docker-compose') ? { command: 'docker-compose', args: [] } : undefined
}
