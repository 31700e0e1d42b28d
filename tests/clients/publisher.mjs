// Somebody who publishes: an administrator, as a forum's backend would with its key.
import assert from 'node:assert/strict'

/** Makes the administrator, and gives what publishes in their name: `publish(to, { title, ... })` answers with the receipt. */
export async function publisher(server, name = 'root') {
  await server.user('add', name, '--role', 'admin', '--password-stdin')
  const { token } = await server.login(name)
  return async (to, content) => {
    const body = { to, kind: 'reply', title: 'Tom replied', ...content }
    const answer = await server.api('POST', '/notifications', { token, body })
    assert.equal(answer.status, 200, answer.text)
    return answer.json
  }
}
