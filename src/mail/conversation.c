/* conversation.c - base subjects and message identifiers (RFC 5256 sections 2.1, 3 and 5). */
#include "conversation.h"

#include "encoded.h"

/* ---- base subject ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static size_t blanks(struct slice s)
{
    size_t n = 0;
    while (n < s.n && is_blank(s.p[n])) n++;
    return n;
}

/* Step 1: encoded-words undone, runs of blanks one space. */
static struct slice one_spaced(struct arena *a, struct slice body)
{
    struct slice text = mail_words_decode(a, body);
    char *to = ar_alloc(a, text.n);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i] == '\t' || text.p[i] == '\r' || text.p[i] == '\n' ? ' ' : text.p[i];
        if (c != ' ' || !n || to[n - 1] != ' ') to[n++] = c;
    }
    return sl(to, n);
}

/* Bytes of the subj-blob at the start: "[...]" and the blanks behind it; 0: there is none. */
static size_t blob(struct slice s)
{
    size_t n = 1;
    if (!s.n || s.p[0] != '[') return 0;
    while (n < s.n && s.p[n] != '[' && s.p[n] != ']') n++;
    if (n == s.n || s.p[n] == '[') return 0;
    return n + 1 + blanks(sl_from(s, n + 1));
}

/* Bytes of the subj-refwd at the start: "re", "fw" or "fwd", perhaps a blob, and a colon. */
static size_t refwd(struct slice s)
{
    size_t n = sl_startsi(s, SL("re")) ? 2 : sl_startsi(s, SL("fwd")) ? 3 : sl_startsi(s, SL("fw")) ? 2 : 0;
    if (!n) return 0;
    n += blanks(sl_from(s, n));
    n += blob(sl_from(s, n));
    return n < s.n && s.p[n] == ':' ? n + 1 : 0;
}

/* Step 2. */
static struct slice without_trailers(struct slice s, bool *reply)
{
    for (;;) {
        while (s.n && is_blank(s.p[s.n - 1])) s.n--;
        if (!sl_endsi(s, SL("(fwd)"))) return s;
        s.n -= 5;
        *reply = true;
    }
}

/* Steps 3 to 5. A run of blobs is looked through once: when no subj-refwd follows it, none follows a part of
 * it. */
static struct slice without_leaders(struct slice s, bool *reply)
{
    for (;;) {
        s = sl_from(s, blanks(s));
        size_t at = 0, n;
        while ((n = blob(sl_from(s, at)))) at += n;
        n = refwd(sl_from(s, at));
        if (!n) break;
        s = sl_from(s, at + n);
        *reply = true;
    }
    for (size_t n = blob(s); n && n < s.n; n = blob(s)) s = sl_from(s, n);
    return s;
}

void mail_subject(struct arena *a, struct slice body, struct mail_subject *out)
{
    struct slice s = one_spaced(a, body);
    out->reply = false;
    for (;;) {
        s = without_leaders(without_trailers(s, &out->reply), &out->reply);
        if (!sl_startsi(s, SL("[fwd:")) || !sl_ends(s, SL("]"))) break; /* step 6 */
        s = sl_sub(s, 5, s.n - 1);
        out->reply = true;
    }
    out->base = s;
}

/* ---- message identifiers ---- */

/* Where the text of an identifier ends: at the first angle bracket outside quotes, or at the end. */
static size_t id_end(struct slice s)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < s.n && (quoted || (s.p[i] != '>' && s.p[i] != '<')); i++) {
        if (s.p[i] == '"') quoted = !quoted;
        if (quoted && s.p[i] == '\\' && i + 1 < s.n) i++;
    }
    return i < s.n ? i : s.n;
}

/* Quotes are left out, and with them the backslash of a quoted-pair; blanks count inside quotes only. */
static struct slice id_text(struct arena *a, struct slice s)
{
    char *to = ar_alloc(a, s.n);
    size_t n = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') {
            quoted = !quoted;
            continue;
        }
        if (quoted && s.p[i] == '\\' && i + 1 < s.n) i++;
        if (quoted || !is_blank(s.p[i])) to[n++] = s.p[i];
    }
    return sl(to, n);
}

size_t mail_message_ids(struct arena *a, struct slice body, size_t max, struct slice **out)
{
    size_t n = 0, cap = max < 16 ? max : 16, open;
    *out = ar_array(a, struct slice, cap);
    while (n < max && (open = sl_chr(body, '<')) != SL_NONE) {
        body = sl_from(body, open + 1);
        size_t end = id_end(body);
        bool closed = end < body.n && body.p[end] == '>';
        struct slice id = closed ? id_text(a, sl_sub(body, 0, end)) : SL("");
        body = sl_from(body, closed ? end + 1 : end);
        if (!id.n) continue;
        if (n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
        (*out)[n++] = id;
    }
    return n;
}
