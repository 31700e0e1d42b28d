// What the publish console has been told, as the API takes it and as a command for a shell. Pure: knows no page.

/** The form, as typed: everything is text but the one box to tick. */
export interface Draft {
  to: string
  kind: string
  title: string
  body: string
  url: string
  actor_id: string
  actor_name: string
  actor_avatar: string
  object_type: string
  object_id: string
  key: string
  group: string
  data: string
  /** As an input of the type `datetime-local` gives it, in the reader's own time zone. */
  expires_at: string
  transient: boolean
}

export const emptyDraft = (): Draft => ({
  to: '',
  kind: 'message',
  title: '',
  body: '',
  url: '',
  actor_id: '',
  actor_name: '',
  actor_avatar: '',
  object_type: '',
  object_id: '',
  key: '',
  group: '',
  data: '',
  expires_at: '',
  transient: false,
})

/** The body of `POST /notifications`: what may be left out and was left empty is left out. */
export function bodyOf(draft: Draft): Record<string, unknown> {
  const expires = new Date(draft.expires_at)
  return {
    to: recipients(draft.to),
    kind: draft.kind.trim(),
    title: draft.title.trim(),
    ...filled({
      body: draft.body,
      url: draft.url.trim(),
      actor: filled({
        id: draft.actor_id.trim(),
        name: draft.actor_name.trim(),
        avatar: draft.actor_avatar.trim(),
      }),
      object: filled({ type: draft.object_type.trim(), id: draft.object_id.trim() }),
      key: draft.key.trim(),
      group: draft.group.trim(),
      data: isJson(draft.data) ? JSON.parse(draft.data) : undefined,
      transient: draft.transient || undefined,
      expires_at: Number.isNaN(expires.getTime()) ? undefined : expires.toISOString(),
    }),
  }
}

/** The equivalent command for any POSIX shell; `$KEY` is for the shell to fill in. */
export function curlOf(origin: string, body: object): string {
  return [
    `curl ${origin}/api/v1/notifications`,
    '-H "Authorization: Bearer $KEY"',
    "-H 'Content-Type: application/json'",
    `-d ${quoted(JSON.stringify(body, null, 2))}`,
  ].join(' \\\n  ')
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** One id as it is, several as a list: the answer has the same shape either way. */
function recipients(text: string): string | string[] {
  const ids = text
    .split(/[,，\n]/)
    .map((id) => id.trim())
    .filter((id) => id !== '')
  return ids.length > 1 ? ids : (ids[0] ?? '')
}

function filled(parts: Record<string, unknown>): Record<string, unknown> | undefined {
  const kept = Object.entries(parts).filter(([, value]) => value !== undefined && value !== '')
  return kept.length > 0 ? Object.fromEntries(kept) : undefined
}

/** Inside single quotes a shell leaves everything as it is but the single quote itself. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
