/* track_html.c - links of HTML replaced (track_html.h): tags are found as a browser finds them, everything
 * else is copied byte by byte. */
#include "track_html.h"

#include "base/buf.h"
#include "base/text.h"
#include "mail/entity.h"

struct attribute {
    size_t at, end;    /* with its value */
    size_t value_from; /* where the value with its quotes begins; = end: it has none */
    struct slice name, value;
};

struct rewriting {
    struct slice html, end;
    struct arena *a;
    struct buf out;
    size_t copied; /* up to here it is in out */
    size_t links;
    track_link *link;
    void *arg;
};

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f'; }

/* ---- one tag ---- */

/* The next attribute from *at on; false: the tag ends at *at. */
static bool next_attribute(struct slice h, size_t *at, struct attribute *out)
{
    size_t i = *at;
    while (i < h.n && (is_blank(h.p[i]) || h.p[i] == '/')) i++;
    *at = i;
    if (i >= h.n || h.p[i] == '>') return false;
    *out = (struct attribute){.at = i};
    do i++;
    while (i < h.n && !is_blank(h.p[i]) && h.p[i] != '=' && h.p[i] != '>' && h.p[i] != '/');
    out->name = sl_sub(h, out->at, i);
    size_t value = i;
    while (value < h.n && is_blank(h.p[value])) value++;
    if (value < h.n && h.p[value] == '=') {
        for (i = value + 1; i < h.n && is_blank(h.p[i]); i++) {
        }
        out->value_from = i;
        char quote = i < h.n && (h.p[i] == '"' || h.p[i] == '\'') ? h.p[i] : 0;
        size_t from = quote ? ++i : i;
        while (i < h.n && (quote ? h.p[i] != quote : !is_blank(h.p[i]) && h.p[i] != '>')) i++;
        out->value = sl_sub(h, from, i);
        if (quote && i < h.n) i++;
    } else {
        out->value_from = i;
    }
    out->end = *at = i;
    return true;
}

/* Character references decoded, once; blanks around it are none of it (as browsers have it). */
static struct slice decode(struct arena *a, struct slice v)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < v.n;) {
        struct slice rest = sl_sub(v, i + 1, i + HTML_ENTITY_MAX + 2);
        size_t end = v.p[i] == '&' ? sl_chr(rest, ';') : SL_NONE;
        uint32_t c = end == SL_NONE ? 0 : html_entity(sl_sub(rest, 0, end));
        if (c && c < 0x7f) {
            buf_char(&b, (char)c);
            i += end + 2;
        } else {
            buf_char(&b, v.p[i++]);
        }
    }
    struct slice s = ar_dup(a, sl_trim(buf_slice(&b)));
    buf_free(&b);
    return s;
}

static bool is_plain(struct slice url)
{
    if (!sl_startsi(url, SL("http://")) && !sl_startsi(url, SL("https://"))) return false;
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] > '~') return false;
    return url.n <= TRACK_URL_MAX;
}

static void copy_to(struct rewriting *w, size_t at)
{
    buf_put(&w->out, sl_sub(w->html, w->copied, at));
    w->copied = at;
}

static void one_link(struct rewriting *w, const struct attribute *href)
{
    struct slice url = decode(w->a, href->value);
    if (!is_plain(url) || w->links >= TRACK_LINKS_MAX) return;
    w->links++;
    struct slice to = w->link(w->arg, w->a, url);
    if (!to.n) return;
    copy_to(w, href->value_from);
    buf_printf(&w->out, "\"%.*s\"", SLF(to));
    w->copied = href->end;
}

/* A tag whose attributes begin at `at`; the place behind it. */
static size_t one_tag(struct rewriting *w, size_t at, bool is_link)
{
    struct attribute x, href = {0};
    bool off = false;
    while (next_attribute(w->html, &at, &x)) {
        if (!is_link) continue;
        if (sl_eqi(x.name, SL("href")) && !href.name.n) href = x;
        if (!sl_eqi(x.name, SL("clicktracking"))) continue;
        off |= sl_eqi(x.value, SL("off"));
        size_t from = x.at; /* with the blank before it */
        if (from > w->copied && is_blank(w->html.p[from - 1])) from--;
        if (!href.name.n || href.at > x.at || off) copy_to(w, from);
        else { /* what comes before it is not copied yet */ one_link(w, &href);
            href = (struct attribute){.name = SL("done")};
            copy_to(w, from);
        }
        w->copied = x.end;
    }
    if (is_link && !off && href.value.n) one_link(w, &href);
    return at < w->html.n ? at + 1 : at;
}

/* ---- the whole ---- */

static size_t behind(struct slice h, size_t at, struct slice what)
{
    size_t found = sl_find(sl_from(h, at), what);
    return found == SL_NONE ? h.n : at + found + what.n;
}

/* Behind </name, without case. */
static size_t behind_end_of(struct slice h, size_t at, struct slice name)
{
    for (;; at++) {
        size_t next = sl_find(sl_from(h, at), SL("</"));
        if (next == SL_NONE) return h.n;
        at += next;
        if (sl_startsi(sl_from(h, at + 2), name)) return at;
    }
}

static struct slice tag_name(struct slice h, size_t at)
{
    size_t n = 0;
    while (at + n < h.n && is_alnum(h.p[at + n])) n++;
    return sl_sub(h, at, at + n);
}

static void put_end(struct rewriting *w, size_t at)
{
    copy_to(w, at);
    buf_put(&w->out, w->end);
    w->end = SL("");
}

struct slice track_html(struct arena *a, struct slice html, struct slice end, track_link *link, void *arg)
{
    static const struct slice raw[] = {SL_INIT("script"), SL_INIT("style"), SL_INIT("title"),
                                       SL_INIT("textarea")};
    struct rewriting w = {.html = html, .end = end, .a = a, .link = link, .arg = arg};
    for (size_t at = 0; at < html.n;) {
        size_t next = sl_chr(sl_from(html, at), '<');
        if (next == SL_NONE) break;
        at += next;
        if (sl_starts(sl_from(html, at), SL("<!--"))) {
            at = behind(html, at + 4, SL("-->"));
            continue;
        }
        struct slice name = tag_name(html, at + 1);
        if (!name.n) {
            if (w.end.n && sl_startsi(sl_from(html, at), SL("</body"))) put_end(&w, at);
            at++;
            continue;
        }
        at = one_tag(&w, at + 1 + name.n, sl_eqi(name, SL("a")) || sl_eqi(name, SL("area")));
        for (size_t i = 0; i < COUNT_OF(raw); i++)
            if (sl_eqi(name, raw[i])) at = behind_end_of(html, at, name);
    }
    put_end(&w, html.n);
    struct slice s = ar_dup(a, buf_slice(&w.out));
    buf_free(&w.out);
    return s;
}
