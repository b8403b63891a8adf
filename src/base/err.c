/* err.c - names of errors, and the last sentence of this fiber. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static _Thread_local struct err_slot thread_slot;
static struct err_slot *(*slot_hook)(void);

void err_slot_hook(struct err_slot *(*current)(void)) { slot_hook = current; }

static struct err_slot *slot(void)
{
    struct err_slot *s = slot_hook ? slot_hook() : NULL;
    return s ? s : &thread_slot;
}

static const struct {
    int code;
    bool temporary;
    const char *name, *text;
} kinds[] = {
#define X(name, code, temporary, sentence) [-(code)] = {code, temporary, #name, sentence},
    ERR_LIST(X)
#undef X
};

static bool known(int e) { return e < 0 && (size_t)-e < COUNT_OF(kinds) && kinds[-e].name; }

const char *err_name(int e) { return e >= 0 ? "ERR_OK" : known(e) ? kinds[-e].name : "ERR_?"; }
bool err_is_temporary(int e) { return !known(e) || kinds[-e].temporary; }

static void keep(int e, const char *prefix_of, const char *fmt, va_list ap)
{
    struct err_slot *s = slot();
    char text[ERR_TEXT_MAX];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (prefix_of && n >= 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ": %s", prefix_of);
    memcpy(s->text, text, sizeof text);
    s->code = e;
}

int err_set(int e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    keep(e, NULL, fmt, ap);
    va_end(ap);
    return e;
}

int err_prefix(int e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    keep(e, err_text(e), fmt, ap);
    va_end(ap);
    return e;
}

static int code_of_errno(int en)
{
    switch (en) {
    case ENOSPC:
    case EDQUOT: return ERR_FULL;
    case ENOENT:
    case ENOTDIR: return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY: return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return ERR_DENIED;
    case EADDRINUSE:
    case EBUSY:
    case EAGAIN: return ERR_BUSY;
    case EMFILE:
    case ENFILE: return ERR_BUSY;
    case ECONNREFUSED: return ERR_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL: return ERR_UNREACHABLE;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED: return ERR_EOF;
    case ENAMETOOLONG: return ERR_TOO_LONG;
    default: return ERR_IO;
    }
}

int err_errno(int en, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int e = code_of_errno(en);
    keep(e, strerror(en), fmt, ap);
    va_end(ap);
    return e;
}

const char *err_text(int e)
{
    struct err_slot *s = slot();
    if (s->code == e && s->text[0]) return s->text;
    return known(e) ? kinds[-e].text : "done";
}
