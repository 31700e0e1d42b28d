<?php
// Bellrope from PHP: include it in the forum, or try it by hand: `php bellrope.php like 42 5 991 7 Bob`.

/** Who is looking at this page. Never for somebody who is not logged in. */
function bellrope_token(string $member, string $name): string
{
    $now_s = time();
    $head = ['alg' => 'HS256', 'typ' => 'JWT'];
    $claims = ['sub' => $member, 'name' => $name, 'iat' => $now_s, 'exp' => $now_s + 3600];
    $base64url = fn (string $raw) => rtrim(strtr(base64_encode($raw), '+/', '-_'), '=');
    $signed = $base64url(json_encode($head)) . '.' . $base64url(json_encode($claims));
    return $signed . '.' . $base64url(hash_hmac('sha256', $signed, getenv('BELLROPE_FORUM_SECRET'), true));
}

/** To the author of a post: somebody likes it. Likes of one post fold into one item. */
function bellrope_like(string $to, string $topic, string $post, string $member, string $name): void
{
    bellrope_ask('POST', '/notifications', [
        'to' => [$to],
        'kind' => 'like',
        'title' => "$name likes your post",
        'url' => "/topic/$topic#$post",
        'actor' => ['id' => $member, 'name' => $name],
        'object' => ['type' => 'topic', 'id' => $topic],
        'key' => "like:$post:$member",
        'group' => "like:$post",
    ]);
}

function bellrope_unlike(string $post, string $member): void
{
    bellrope_ask('DELETE', '/notifications/by-key/' . rawurlencode("like:$post:$member"));
}

/** The member opened the topic: what is about it is read, on every device. */
function bellrope_visit(string $member, string $topic): void
{
    bellrope_ask('POST', "/users/$member/read", ['object' => ['type' => 'topic', 'id' => $topic]]);
}

function bellrope_gone(string $topic): void
{
    bellrope_ask('DELETE', "/notifications?object_type=topic&object_id=$topic");
}

function bellrope_ban(string $member): void
{
    bellrope_ask('POST', "/users/$member/sign-out", new stdClass());
}

/**
 * Asks until Bellrope has heard. The key lets it know a repetition, so nobody hears twice. May take a minute, so the page
 * is sent first: with PHP-FPM call fastcgi_finish_request() before, or let a queue do this.
 */
function bellrope_ask(string $method, string $path, array|object|null $body = null, int $tries = 6): array
{
    $headers = [
        'Authorization: Bearer ' . getenv('BELLROPE_API_KEY'),
        'Content-Type: application/json',
        'Idempotency-Key: ' . bin2hex(random_bytes(16)),
    ];
    $http = ['method' => $method, 'header' => $headers, 'timeout' => 5, 'ignore_errors' => true];
    if ($body !== null) {
        $http['content'] = json_encode($body);
    }
    $url = (getenv('BELLROPE_URL') ?: 'http://127.0.0.1:8888') . '/api/v1' . $path;
    for ($attempt = 0; $attempt < $tries; $attempt++) {
        $pause_s = 2 ** $attempt;
        // The warning would only say that nobody answers, which is a reason to ask again.
        $stream = @fopen($url, 'r', false, stream_context_create(['http' => $http]));
        $said = $stream ? stream_get_meta_data($stream)['wrapper_data'] : [];
        $answer = $stream ? stream_get_contents($stream) : '';
        $status = (int) (explode(' ', $said[0] ?? '')[1] ?? 0);
        if ($status === 200) {
            return json_decode($answer, true) ?? [];
        }
        if ($status !== 0 && $status < 500 && !in_array($status, [408, 409, 429], true)) {
            throw new RuntimeException("Bellrope refuses: $answer");
        }
        foreach ($said as $line) {
            if (preg_match('/^Retry-After: *(\d+)$/i', $line, $found)) {
                $pause_s = (int) $found[1];
            }
        }
        if ($attempt < $tries - 1) {
            sleep($pause_s);
        }
    }
    throw new RuntimeException('Bellrope does not answer');
}

if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    $said = ('bellrope_' . $argv[1])(...array_slice($argv, 2));
    if ($said !== null) {
        echo $said, "\n";
    }
}
