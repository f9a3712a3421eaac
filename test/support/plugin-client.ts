import http from 'node:http'

export interface PluginAnswer {
  status: number
  contentType: string
  headers: http.IncomingHttpHeaders
  /** The body, which is always JSON. */
  body: Record<string, unknown>
}

/** Speaks to a plugin as Docker does: without a content type, over connections that it keeps. */
export class PluginClient {
  readonly agent = new http.Agent({ keepAlive: true, maxSockets: 100 })

  constructor(private readonly socketPath: string) {}

  /** Sends a request; `body` may be text, to send what is no JSON, and is empty when it is left out. */
  async post(path: string, body?: object | string): Promise<PluginAnswer> {
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    return this.request('POST', path, text, {})
  }

  /** As {@link post}; throws with the plugin's words when it refuses. */
  async call(method: string, body?: object): Promise<Record<string, unknown>> {
    const answer = await this.post(`/${method}`, body)
    if (answer.status !== 200) throw new Error(String(answer.body.Err))
    return answer.body
  }

  request(
    method: string,
    path: string,
    text: string,
    headers: Record<string, string>,
  ): Promise<PluginAnswer> {
    return new Promise((resolve, reject) => {
      const { agent, socketPath } = this
      const accept = 'application/vnd.docker.plugins.v1.2+json'
      const request = http.request(
        {
          agent,
          socketPath,
          method,
          path,
          headers: { accept, 'content-length': Buffer.byteLength(text), ...headers },
        },
        (response) => {
          let received = ''
          response.setEncoding('utf8').on('data', (chunk: string) => {
            received += chunk
          })
          response.once('end', () => {
            const contentType = String(response.headers['content-type'])
            try {
              const body = JSON.parse(received) as Record<string, unknown>
              resolve({ status: response.statusCode ?? 0, contentType, headers: response.headers, body })
            } catch (error) {
              reject(error)
            }
          })
        },
      )
      request.once('error', reject)
      request.end(text)
    })
  }

  close(): void {
    this.agent.destroy()
  }
}
