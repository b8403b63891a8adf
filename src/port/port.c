/* port.c - what all ways in and out have in common: sentences, progress, names of folders. */
#include "port_i.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "wire/utf7.h"

static const int64_t progress_every = 200 * RT_MS;

int port_problem(struct porting *p, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return p->hear->problem(p->hear->arg, text);
}

/* What is wrong with one message, and what with everything. */
static bool is_of_one(int e)
{
    return e == ERR_IO || e == ERR_NOT_FOUND || e == ERR_DENIED || e == ERR_SYNTAX || e == ERR_TOO_LONG ||
           e == ERR_LIMIT || err_is_damage(e) || e == ERR_EXISTS;
}

int port_failed(struct porting *p, int e, struct slice what)
{
    if (!is_of_one(e)) return e;
    p->report->failed++;
    return port_problem(p, "%.*s: %s", SLF(what), err_text(e));
}

int port_progressed(struct porting *p)
{
    p->progress.messages = p->report->messages + p->report->there;
    if (fiber_canceled()) return ERR_CANCELED;
    if (!p->hear->progress || (p->told && rt_now() < p->told + progress_every)) return 0;
    p->told = rt_now();
    return p->hear->progress(p->hear->arg, &p->progress);
}

bool port_is_folder(struct porting *p, const char *path)
{
    struct path_info i;
    return p->files->info(p->files, path, &i) == 0 && i.kind == PATH_FOLDER;
}

int port_read_small(struct porting *p, const char *path, struct buf *out)
{
    int e = p->files->read(p->files, path, 0, PORT_SMALL_FILE, out);
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* ---- names ---- */

static const struct slice dot = SL_INIT("&AC4-");

int port_name_decode(struct arena *a, struct slice part, struct slice *out)
{
    struct slice rest = part, piece, plain = SL("");
    for (bool more = true; more;) {
        size_t at = sl_find(rest, dot);
        more = at != SL_NONE;
        if (utf7_decode(a, sl_sub(rest, 0, at), &piece) || !is_ascii(part)) {
            plain = part; /* as R&D is, and names in UTF-8 */
            break;
        }
        plain = ar_printf(a, "%.*s%.*s%s", SLF(plain), SLF(piece), more ? "." : "");
        rest = sl_from(rest, at + dot.n);
    }
    *out = plain;
    if (plain.n && utf8_valid(plain) && sl_chr(plain, '/') == SL_NONE) return 0;
    return err_set(ERR_SYNTAX, "this name cannot be a mailbox's");
}

void port_name_encode(struct buf *b, struct slice part)
{
    struct slice piece;
    for (bool first = true; sl_next(&part, '.', &piece); first = false) {
        if (!first) buf_put(b, dot);
        utf7_encode(b, piece);
    }
}

static bool is_special_end(struct slice s)
{
    return sl_eqi(s, SL(".mbox")) || sl_eqi(s, SL(".sbd")) || sl_eqi(s, SL(".msf")) || sl_eqi(s, SL(".part"));
}

void port_name_file(struct buf *b, struct slice part)
{
    bool special = sl_starts(part, SL("."));
    for (size_t i = 0; i < part.n; i++) special |= is_special_end(sl_from(part, i));
    if (special) port_name_encode(b, part);
    else if (!is_ascii(part)) buf_put(b, part); /* it is taken as it is, then */
    else
        for (size_t i = 0; i < part.n; i++) {
            buf_char(b, part.p[i]);
            if (part.p[i] == '&') buf_char(b, '-');
        }
}
