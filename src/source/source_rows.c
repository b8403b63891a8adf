/* source_rows.c - the object _source: rows s/ sources, l/ what their proxies ask for, p/ pools, u/ what goes
 * by which pool. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "kv/record.h"
#include "source_i.h"

enum { VERSION = 1, PAGE = 500 };

/* a-z, 0-9, -, . and _, at most SOURCE_NAME_MAX */
static bool name_ok(struct slice name)
{
    bool ok = name.n && name.n <= SOURCE_NAME_MAX;
    for (size_t i = 0; ok && i < name.n; i++) {
        char c = name.p[i];
        ok = is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
    }
    return ok;
}

static bool login_ok(struct slice user, struct slice password)
{
    return user.n && user.n <= SOURCE_LOGIN_MAX && password.n && password.n <= SOURCE_LOGIN_MAX;
}

/* ---- how connections leave ---- */

static const char *const via_words[SOURCE_VIAS] = {"", "socks5://", "proxy://"};

int source_via_parse(struct slice text, struct source *out)
{
    for (int v = VIA_SOCKS5; v < SOURCE_VIAS; v++) {
        struct slice word = sl_cstr(via_words[v]);
        if (!sl_starts(text, word)) continue;
        bool good = endpoint_parse(sl_from(text, word.n), &out->at) && out->at.port &&
                    !ip_is_unspecified(&out->at.ip);
        out->via = good ? (enum source_via)v : VIA_NONE;
        return good ? 0 : err_set(ERR_SYNTAX, "behind %s stand an address and a port", via_words[v]);
    }
    out->via = VIA_NONE;
    return err_set(ERR_SYNTAX, "a source leaves by socks5://IP:PORT or proxy://IP:PORT");
}

struct slice source_via_text(struct arena *a, const struct source *s)
{
    char at[ENDPOINT_TEXT_MAX];
    if (s->via == VIA_NONE) return SL("");
    return ar_printf(a, "%s%s", via_words[s->via], endpoint_format(&s->at, at));
}

/* ---- reading ---- */

static int read_source(struct arena *a, struct slice name, struct slice value, struct source *out)
{
    struct rec r;
    *out = (struct source){.name = ar_dup(a, name), .pool = SL(SOURCE_MAIN)};
    bool ip = false, via = true;
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'i': ip = ip_parse(r.field, &out->ip); break;
        case 'h': out->helo = ar_dup(a, r.field); break;
        case 'p': out->pool = ar_dup(a, r.field); break;
        case 't': out->added = (int64_t)rec_u64(&r); break;
        case 'v': via = source_via_parse(r.field, out) == 0; break;
        }
    if (!e) e = rec_error(&r);
    bool sound = ip && via && name_ok(name) && name_ok(out->pool) && out->helo.n < 256;
    return e || sound ? e : err_set(ERR_CORRUPT, "its fields make no sense");
}

static int read_login(struct arena *a, struct slice name, struct slice value, struct source_login *out)
{
    struct rec r;
    *out = (struct source_login){.name = ar_dup(a, name)};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'u': out->user = ar_dup(a, r.field); break;
        case 'w': out->password = ar_dup(a, r.field); break;
        }
    if (!e) e = rec_error(&r);
    bool sound = name_ok(name) && login_ok(out->user, out->password);
    return e || sound ? e : err_set(ERR_CORRUPT, "its fields make no sense");
}

static int read_pool(struct arena *a, struct slice name, struct slice value, struct source_pool *out)
{
    struct rec r;
    *out = (struct source_pool){.name = ar_dup(a, name)};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'o': out->overflow = ar_dup(a, r.field); break;
        case 's': out->same = rec_u64(&r) != 0; break;
        }
    if (!e) e = rec_error(&r);
    bool sound = name_ok(name) && (!out->overflow.n || name_ok(out->overflow));
    return e || sound ? e : err_set(ERR_CORRUPT, "its fields make no sense");
}

static int read_use(struct arena *a, struct slice value, struct source_use *out)
{
    struct rec r;
    uint64_t by = 0;
    *out = (struct source_use){0};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'b': by = rec_u64(&r); break;
        case 'v': out->value = ar_dup(a, r.field); break;
        case 'p': out->pool = ar_dup(a, r.field); break;
        case 'd': out->shown = ar_dup(a, r.field); break;
        }
    if (!e) e = rec_error(&r);
    bool sound = by < SOURCE_BYS && out->value.n && out->value.n <= SOURCE_VALUE_MAX && name_ok(out->pool);
    out->by = sound ? (enum source_by)by : SOURCE_STREAM;
    return e || sound ? e : err_set(ERR_CORRUPT, "its fields make no sense");
}

struct reading {
    struct source_plan *plan;
    size_t rooms[4];
};

static int take_row(struct reading *x, const struct kv_row *row)
{
    struct source_plan *p = x->plan;
    struct slice name = sl_from(row->key, 2);
    int e = 0;
    if (p->nsource == x->rooms[0]) p->source = ar_grow(&p->a, p->source, &x->rooms[0], sizeof *p->source);
    if (p->npool == x->rooms[1]) p->pool = ar_grow(&p->a, p->pool, &x->rooms[1], sizeof *p->pool);
    if (p->nuse == x->rooms[2]) p->use = ar_grow(&p->a, p->use, &x->rooms[2], sizeof *p->use);
    if (p->nlogin == x->rooms[3]) p->login = ar_grow(&p->a, p->login, &x->rooms[3], sizeof *p->login);
    switch (row->key.n > 2 && row->key.p[1] == '/' ? row->key.p[0] : 0) {
    case 's':
        e = read_source(&p->a, name, row->value, &p->source[p->nsource]);
        p->nsource += !e;
        break;
    case 'l':
        e = read_login(&p->a, name, row->value, &p->login[p->nlogin]);
        p->nlogin += !e;
        break;
    case 'p':
        e = read_pool(&p->a, name, row->value, &p->pool[p->npool]);
        p->npool += !e;
        break;
    case 'u':
        e = read_use(&p->a, row->value, &p->use[p->nuse]);
        p->nuse += !e;
        break;
    }
    return e;
}

/* All rows of the object as a plan. bad (or NULL) is told of each that cannot be read. SUSPENDS. */
MUST_CHECK static int read_rows(struct kv *kv, struct source_plan **out,
                                void (*bad)(void *arg, const char *what), void *arg)
{
    struct reading x = {.plan = source_plan_new()};
    struct arena a = {0};
    struct kv_page page = {.more = true};
    struct slice from = SL("l/");
    int e = 0;
    while (!e && page.more) {
        e = kv_scan(kv, SOURCE_OBJECT, from, SL("v"), PAGE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            int why = take_row(&x, &page.row[i]);
            char text[KV_KEY_MAX + 100];
            snprintf(text, sizeof text, "the row %.*s of _source cannot be read: %.60s", SLF(page.row[i].key),
                     why ? err_text(why) : "");
            if (why && bad) bad(arg, text);
        }
        if (page.n) from = kv_after(&a, page.row[page.n - 1].key);
    }
    ar_free(&a);
    if (e) source_plan_drop(&x.plan);
    else source_plan_finish(x.plan);
    *out = x.plan;
    return e;
}

/* ---- changes ---- */

struct change {
    struct slice key;
    const struct buf *value; /* NULL: the row goes */
    size_t most;             /* rows of its kind */
    const struct source *source;
    struct slice needs; /* a row that must be there; or empty */
};

static int count_row(void *arg, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

struct looking {
    const struct change *x;
    const char *taken; /* by whom the address is */
    char name[SOURCE_NAME_MAX + 1];
};

/* No two sources have one address: their limits would count for each by itself. */
static int look_for_address(void *arg, struct slice key, struct slice value)
{
    struct looking *l = arg;
    struct arena a = {0};
    struct source s;
    if (!sl_eq(key, l->x->key) && read_source(&a, sl_from(key, 2), value, &s) == 0 &&
        ip_eq(&s.ip, &l->x->source->ip)) {
        snprintf(l->name, sizeof l->name, "%.*s", SLF(s.name));
        l->taken = l->name;
    }
    ar_free(&a);
    return 0;
}

static int change_tx(struct kv_tx *tx, void *arg)
{
    struct change *x = arg;
    struct slice old;
    size_t n = 0;
    struct looking l = {.x = x};
    char from[3] = {x->key.p[0], '/', 0}, to[2] = {(char)(x->key.p[0] + 1), 0};
    int e = kv_tx_get(tx, x->key, &old);
    if (e && e != ERR_NOT_FOUND) return e;
    if (x->needs.n && kv_tx_get(tx, x->needs, &(struct slice){0}) != 0)
        return err_set(ERR_NOT_FOUND, "there is no source %.*s", SLF(sl_from(x->needs, 2)));
    if (!x->value) {
        struct arena a = {0};
        if (!e) kv_tx_del(tx, x->key);
        if (!e && x->key.p[0] == 's') {
            warm_tx_erase(tx, &a, sl_from(x->key, 2));
            kv_tx_del(tx, ar_cat(&a, SL("l/"), sl_from(x->key, 2)));
        }
        ar_free(&a);
        return e;
    }
    if (e) e = kv_tx_scan(tx, sl_cstr(from), sl_cstr(to), count_row, &n);
    if (!e && n >= x->most) e = err_set(ERR_LIMIT, "there are %zu already", n);
    if (!e && x->source) e = kv_tx_scan(tx, sl_cstr(from), sl_cstr(to), look_for_address, &l);
    if (!e && l.taken) e = err_set(ERR_EXISTS, "the source %s has this address", l.taken);
    if (!e) kv_tx_put_record(tx, x->key, x->value);
    return e;
}

static int reload(struct sources *s)
{
    struct source_plan *fresh, *old;
    uint64_t mine = __atomic_add_fetch(&s->asked, 1, __ATOMIC_ACQ_REL);
    int e = read_rows(s->kv, &fresh, NULL, NULL);
    if (e) return e;
    lock_take(&s->lock);
    old = mine > s->read ? s->plan : fresh;
    if (mine > s->read) s->plan = fresh, s->read = mine;
    lock_release(&s->lock);
    source_plan_drop(&old);
    sources_changed(s);
    return 0;
}

static int change(struct sources *s, struct change *x)
{
    int e = kv_transact(s->kv, SOURCE_OBJECT, change_tx, x);
    return e ? e : reload(s);
}

static int name_check(struct slice name, const char *what)
{
    if (name_ok(name) && !sl_eq(name, SL("any"))) return 0;
    return err_set(ERR_SYNTAX, "\"%.*s\" is no name of a %s: a-z, 0-9, -, . and _, at most %d, and not `any`",
                   SLF(sl_sub(name, 0, 60)), what, SOURCE_NAME_MAX);
}

int source_add(struct sources *s, const struct source *v)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    char ip[IP_TEXT_MAX];
    struct change x = {
        .key = ar_printf(&a, "s/%.*s", SLF(v->name)), .value = &b, .most = SOURCES_MAX, .source = v};
    int e = name_check(v->name, "source");
    if (!e) e = name_check(v->pool, "pool");
    if (!e && (v->helo.n > 255 || ip_is_unspecified(&v->ip)))
        e = err_set(ERR_SYNTAX, "a source has one address, and a name of at most 255 bytes");
    rec_begin(&b, VERSION);
    rec_put(&b, 'i', sl_cstr(ip_format(&v->ip, ip)));
    rec_put(&b, 'p', v->pool);
    rec_opt(&b, 'h', v->helo);
    rec_opt_u64(&b, 't', (uint64_t)v->added);
    rec_opt(&b, 'v', source_via_text(&a, v));
    if (!e) e = change(s, &x);
    if (!e) source_works(s, v->name);
    buf_free(&b);
    ar_free(&a);
    return e;
}

int source_remove(struct sources *s, struct slice name)
{
    struct arena a = {0};
    int e = name_check(name, "source");
    if (!e) e = change(s, &(struct change){.key = ar_printf(&a, "s/%.*s", SLF(name))});
    if (!e) warm_forget(s, name);
    if (!e) source_works(s, name);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? err_set(e, "there is no source %.*s", SLF(name)) : e;
}

int source_set_login(struct sources *s, struct slice name, struct slice user, struct slice password)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct change x = {.key = ar_printf(&a, "l/%.*s", SLF(name)),
                       .value = &b,
                       .most = SOURCES_MAX,
                       .needs = ar_printf(&a, "s/%.*s", SLF(name))};
    int e = name_check(name, "source");
    if (!e && !login_ok(user, password))
        e = err_set(ERR_SYNTAX, "a name and a password have 1 to %d bytes each", SOURCE_LOGIN_MAX);
    rec_begin(&b, VERSION);
    rec_put(&b, 'u', user);
    rec_put(&b, 'w', password);
    if (!e) e = change(s, &x);
    if (!e) source_works(s, name);
    buf_free(&b);
    ar_free(&a);
    return e;
}

int source_set_pool(struct sources *s, const struct source_pool *v)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct change x = {.key = ar_printf(&a, "p/%.*s", SLF(v->name)), .value = &b, .most = SOURCES_MAX};
    int e = name_check(v->name, "pool");
    if (!e && v->overflow.n) e = name_check(v->overflow, "pool");
    rec_begin(&b, VERSION);
    rec_opt(&b, 'o', v->overflow);
    rec_opt_u64(&b, 's', v->same);
    if (!e) e = change(s, &x);
    buf_free(&b);
    ar_free(&a);
    return e;
}

int source_set_use(struct sources *s, const struct source_use *v)
{
    static const char letters[] = "cads";
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct change x = {.key = ar_printf(&a, "u/%c/%.*s", letters[v->by], SLF(hash_name(&a, v->value))),
                       .value = v->pool.n ? &b : NULL,
                       .most = SOURCE_USES_MAX};
    int e = v->pool.n ? name_check(v->pool, "pool") : 0;
    if (!e && (!v->value.n || v->value.n > SOURCE_VALUE_MAX))
        e = err_set(ERR_SYNTAX, "a %s has at most %d bytes", source_by_word(v->by), SOURCE_VALUE_MAX);
    rec_begin(&b, VERSION);
    rec_put_u64(&b, 'b', v->by);
    rec_put(&b, 'v', v->value);
    rec_put(&b, 'p', v->pool);
    rec_opt(&b, 'd', v->shown);
    if (!e) e = change(s, &x);
    buf_free(&b);
    ar_free(&a);
    if (e != ERR_NOT_FOUND) return e;
    return err_set(e, "no pool is named for the %s %.*s", source_by_word(v->by), SLF(v->value));
}

/* ---- opening ---- */

static void log_bad(void *arg, const char *what)
{
    (void)arg;
    log_error("source", "%s; it counts as if it were not there, see `tram verify`", what);
}

int sources_open(struct sources **out, struct kv *kv)
{
    ASSERT(kv);
    struct sources *s = xcalloc(1, sizeof *s);
    s->kv = kv;
    map_init(&s->curves, false);
    map_init(&s->places, false);
    map_init(&s->troubles, false);
    int e = read_rows(kv, &s->plan, log_bad, NULL);
    if (!e) e = warm_read(kv, s, log_bad, NULL);
    if (e) sources_close(&s);
    *out = s;
    return e ? err_prefix(e, "cannot read the sources") : 0;
}

void sources_close(struct sources **s)
{
    if (!*s) return;
    source_plan_drop(&(*s)->plan);
    warm_close(*s);
    trouble_close(*s);
    free(*s);
    *s = NULL;
}

void sources_watch(struct sources *s, void (*changed)(void *ctx), void (*room)(void *ctx), void *ctx)
{
    lock_take(&s->lock);
    s->watch = (struct source_watch){changed, room, ctx};
    lock_release(&s->lock);
}

struct source_plan *source_plan_now(struct sources *s)
{
    struct source_plan *p;
    if (!s) {
        p = source_plan_new();
        source_plan_finish(p);
        return p;
    }
    lock_take(&s->lock);
    p = source_plan_hold(s->plan);
    lock_release(&s->lock);
    return p;
}

int sources_verify(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg)
{
    struct source_plan *p;
    int e = read_rows(kv, &p, bad, arg);
    if (!e) source_plan_drop(&p);
    return e ? e : warm_read(kv, NULL, bad, arg);
}
