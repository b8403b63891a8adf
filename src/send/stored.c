/* stored.c - templates that an account keeps: rows t/ID of templates, v/ID/VERSION of versions,
 * c/ID/VERSION/ROW of their texts, k/ID of copies that are being made. */
#include "stored.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "send_i.h"
#include "template.h"

enum { ROW_VERSION = 1, ROW_BYTES = 60000, PAGE = 500 };

/* ---- names ---- */

static struct slice object_of(struct arena *a, struct slice account)
{
    return ar_printf(a, "y:%.*s", SLF(account));
}

static int check_id(struct slice id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!is_alnum(id.p[i]) && id.p[i] != '-' && id.p[i] != '_')
            return err_set(ERR_SYNTAX, "the name of a template may hold letters, digits, - and _ only");
    if (!id.n || id.n > STORED_ID_MAX)
        return err_set(ERR_SYNTAX, "the name of a template has 1 to %d characters", STORED_ID_MAX);
    return 0;
}

static struct slice key2(struct arena *a, char kind, struct slice id)
{
    return ar_printf(a, "%c/%.*s", kind, SLF(id));
}

static struct slice key3(struct arena *a, char kind, struct slice id, struct slice version)
{
    return ar_printf(a, "%c/%.*s/%.*s", kind, SLF(id), SLF(version));
}

/* ---- judging ---- */

static int judge_one(struct arena *a, struct template_how how, struct slice text, const char *what)
{
    const struct template *t;
    int e = text.n ? template_compile(a, how, text, &t) : 0;
    return e < 0 ? err_prefix(e, "%s", what) : 0;
}

int stored_judge(struct arena *a, enum send_language language, const struct stored_version *v)
{
    struct template_how how = {.language = language == SEND_HANDLEBARS || language == SEND_SES
                                               ? TEMPLATE_HANDLEBARS
                                           : language == SEND_MAILJET ? TEMPLATE_MAILJET
                                                                      : TEMPLATE_NONE};
    int e = judge_one(a, how, v->subject, "the subject");
    if (!e) e = judge_one(a, how, v->text, "the text");
    if (!e) e = judge_one(a, how, v->html, "the HTML");
    if (!e && v->subject.n + v->text.n + v->html.n + v->extra.n > STORED_BYTES_MAX)
        e = err_set(ERR_TOO_LONG, "the texts of a version are longer than %d bytes together",
                    STORED_BYTES_MAX);
    return e;
}

/* ---- rows ---- */

static int get_template(struct slice row, struct stored_template *t)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'n': t->name = r.field; break;
        case 'k': t->kind = r.field; break;
        case 'u': t->updated = (int64_t)rec_u64(&r); break;
        }
    if (!e) e = rec_error(&r);
    return e || utf8_valid(t->name) ? e : err_set(ERR_CORRUPT, "the record of a template is damaged");
}

static int get_version(struct slice row, struct stored_version *v)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'n': v->name = r.field; break;
        case 'a': v->active = rec_u64(&r); break;
        case 'u': v->updated = (int64_t)rec_u64(&r); break;
        }
    if (!e) e = rec_error(&r);
    return e || utf8_valid(v->name) ? e : err_set(ERR_CORRUPT, "the record of a version is damaged");
}

int stored_row_check(struct slice key, struct slice row)
{
    struct stored_template t = {0};
    struct stored_version v = {0};
    return sl_starts(key, SL("t/")) ? get_template(row, &t) : get_version(row, &v);
}

static void put_version(struct kv_tx *tx, struct slice key, const struct stored_version *v)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ROW_VERSION);
    rec_put(&b, 'n', v->name);
    rec_opt_u64(&b, 'a', v->active);
    rec_put_u64(&b, 'u', (uint64_t)v->updated);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

/* The texts, one after another, each behind its length in 8 hex digits. */
static struct slice texts_of(struct arena *a, const struct stored_version *v)
{
    const struct slice all[] = {v->subject, v->text, v->html, v->extra};
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        buf_printf(&b, "%08zx", all[i].n);
        buf_put(&b, all[i]);
    }
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static int texts_get(struct slice s, struct stored_version *v)
{
    struct slice *const all[] = {&v->subject, &v->text, &v->html, &v->extra};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        uint64_t n;
        if (s.n < 8 || !num_hex64(sl_sub(s, 0, 8), &n) || n > s.n - 8)
            return err_set(ERR_CORRUPT, "the texts of a template are damaged");
        *all[i] = sl_sub(s, 8, 8 + n);
        s = sl_from(s, 8 + n);
    }
    return 0;
}

/* ---- changing ---- */

struct changing {
    struct arena *a;
    struct slice id;
    const struct stored_template *t;
    const struct stored_version *v;
    struct slice version, texts; /* version: which goes */
    size_t n;
    int64_t now;
    stored_change_fn *change;
    void *arg;
};

static int put_version_tx(struct kv_tx *tx, void *arg);

static int count(void *arg, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

static void put_template(struct kv_tx *tx, struct changing *x, const struct stored_template *t)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ROW_VERSION);
    rec_put(&b, 'n', t->name);
    rec_opt(&b, 'k', t->kind);
    rec_put_u64(&b, 'u', (uint64_t)x->now);
    kv_tx_put_record(tx, key2(x->a, 't', x->id), &b);
    buf_free(&b);
}

static int add_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct slice row;
    size_t n = 0;
    int e = kv_tx_get(tx, key2(x->a, 't', x->id), &row);
    if (!e) return err_set(ERR_EXISTS, "there is a template %.*s already", SLF(x->id));
    if (e == ERR_NOT_FOUND) e = kv_tx_scan(tx, SL("t/"), SL("u"), count, &n);
    if (e) return e;
    if (n >= STORED_TEMPLATES_MAX)
        return err_set(ERR_LIMIT, "the account has %d templates already", STORED_TEMPLATES_MAX);
    put_template(tx, x, x->t);
    return x->v ? put_version_tx(tx, x) : 0;
}

static int rename_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct stored_template t;
    struct slice row;
    int e = kv_tx_get(tx, key2(x->a, 't', x->id), &row);
    if (!e) e = get_template(row, &t);
    if (e) return e;
    t.kind = ar_dup(x->a, t.kind);
    t.name = x->t->name;
    put_template(tx, x, &t);
    return 0;
}

static int transact(struct sends *s, struct slice account, kv_fn *fn, struct changing *x)
{
    struct arena a = {0};
    x->a = &a;
    x->now = rt_wall_seconds();
    int e = check_id(x->id);
    if (!e) e = kv_transact(s->store->kv, object_of(&a, account), fn, x);
    ar_free(&a);
    return e;
}

static int check_name(struct slice name)
{
    if (name.n && name.n <= STORED_NAME_MAX && utf8_valid(name)) return 0;
    return err_set(ERR_SYNTAX, "the name of a template has 1 to %d bytes", STORED_NAME_MAX);
}

int stored_template_rename(struct sends *s, struct slice account, struct slice id, struct slice name)
{
    int e = check_name(name);
    return e ? e
             : transact(s, account, rename_tx,
                        &(struct changing){.id = id, .t = &(struct stored_template){.name = name}});
}

static void erase(struct kv_tx *tx, struct arena *a, char kind, struct slice id, struct slice version)
{
    struct slice prefix =
        version.n ? ar_cat(a, key3(a, kind, id, version), SL("/")) : ar_cat(a, key2(a, kind, id), SL("/"));
    kv_tx_erase(tx, prefix, kv_prefix_end(a, prefix));
}

static int remove_template_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct slice key = key2(x->a, 't', x->id), row;
    int e = kv_tx_get(tx, key, &row);
    if (e) return e;
    kv_tx_del(tx, key);
    erase(tx, x->a, 'v', x->id, SL(""));
    erase(tx, x->a, 'c', x->id, SL(""));
    return 0;
}

int stored_template_remove(struct sends *s, struct slice account, struct slice id)
{
    return transact(s, account, remove_template_tx, &(struct changing){.id = id});
}

static int remove_version_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct slice key = key3(x->a, 'v', x->id, x->version), row;
    int e = kv_tx_get(tx, key, &row);
    if (e) return e;
    kv_tx_del(tx, key);
    erase(tx, x->a, 'c', x->id, x->version);
    return 0;
}

int stored_version_remove(struct sends *s, struct slice account, struct slice id, struct slice version)
{
    int e = check_id(version);
    return e ? e : transact(s, account, remove_version_tx, &(struct changing){.id = id, .version = version});
}

struct others {
    struct changing *x;
    struct kv_tx *tx;
};

/* Another version is not active any more. */
static int another(void *arg, struct slice key, struct slice value)
{
    struct others *o = arg;
    struct stored_version v = {0};
    o->x->n++;
    if (!o->x->v->active || get_version(value, &v) != 0 || !v.active) return 0;
    v.active = false;
    v.name = ar_dup(o->x->a, v.name);
    put_version(o->tx, ar_dup(o->x->a, key), &v);
    return 0;
}

static int check_lengths(const struct stored_version *v)
{
    if (v->name.n > STORED_NAME_MAX)
        return err_set(ERR_TOO_LONG, "the name of a version is longer than %d bytes", STORED_NAME_MAX);
    if (v->subject.n + v->text.n + v->html.n + v->extra.n > STORED_BYTES_MAX)
        return err_set(ERR_TOO_LONG, "the texts of a version are longer than %d bytes together",
                       STORED_BYTES_MAX);
    return 0;
}

static int check_version(const struct stored_version *v)
{
    int e = check_id(v->id);
    return e ? e : check_lengths(v);
}

static void put_texts(struct kv_tx *tx, struct changing *x, struct slice version)
{
    erase(tx, x->a, 'c', x->id, version);
    for (size_t i = 0; i * ROW_BYTES < x->texts.n; i++)
        kv_tx_put(tx, ar_printf(x->a, "%.*s/%04zx", SLF(key3(x->a, 'c', x->id, version)), i),
                  sl_sub(x->texts, i * ROW_BYTES, (i + 1) * ROW_BYTES));
}

static int put_version_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct slice row, prefix = ar_cat(x->a, key2(x->a, 'v', x->id), SL("/")),
                      key = key3(x->a, 'v', x->id, x->v->id);
    struct stored_version v = *x->v;
    int e = kv_tx_get(tx, key2(x->a, 't', x->id), &row);
    if (e) return e;
    x->n = 0;
    bool again = kv_tx_get(tx, key, &row) == 0;
    e = kv_tx_scan(tx, prefix, kv_prefix_end(x->a, prefix), another, &(struct others){x, tx});
    if (e) return e;
    if (x->n >= STORED_VERSIONS_MAX && !again)
        return err_set(ERR_LIMIT, "the template has %d versions already", STORED_VERSIONS_MAX);
    v.updated = x->now;
    put_texts(tx, x, v.id);
    put_version(tx, key, &v);
    return 0;
}

int stored_template_add(struct sends *s, struct slice account, const struct stored_template *t,
                        const struct stored_version *first)
{
    struct arena a = {0};
    struct changing x = {.id = t->id, .t = t, .v = first};
    int e = check_name(t->name);
    if (!e && first) e = check_version(first);
    if (!e && first) x.texts = texts_of(&a, first);
    if (!e) e = transact(s, account, add_tx, &x);
    ar_free(&a);
    return e;
}

int stored_version_put(struct sends *s, struct slice account, struct slice id, const struct stored_version *v)
{
    struct arena a = {0};
    int e = check_version(v);
    if (!e)
        e = transact(s, account, put_version_tx,
                     &(struct changing){.id = id, .v = v, .texts = texts_of(&a, v)});
    ar_free(&a);
    return e;
}

static int one_text(void *arg, struct slice key, struct slice value)
{
    (void)key;
    buf_put(arg, value);
    return 0;
}

static int change_version_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct stored_version v = {.id = x->version};
    struct buf b = BUF_INIT;
    struct slice row, prefix = ar_cat(x->a, key3(x->a, 'c', x->id, x->version), SL("/"));
    int e = kv_tx_get(tx, key3(x->a, 'v', x->id, x->version), &row);
    if (!e) e = get_version(row, &v);
    if (!e) e = kv_tx_scan(tx, prefix, kv_prefix_end(x->a, prefix), one_text, &b);
    if (!e) e = texts_get(ar_dup(x->a, buf_slice(&b)), &v);
    buf_free(&b);
    if (!e) e = x->change(x->arg, x->a, &v);
    if (!e) e = check_lengths(&v);
    if (e) return e;
    x->v = &v;
    x->texts = texts_of(x->a, &v);
    return put_version_tx(tx, x);
}

int stored_version_change(struct sends *s, struct slice account, struct slice id, struct slice version,
                          stored_change_fn *change, void *arg)
{
    if (check_id(version) < 0) return ERR_NOT_FOUND;
    return transact(s, account, change_version_tx,
                    &(struct changing){.id = id, .version = version, .change = change, .arg = arg});
}

/* ---- reading ---- */

static int read_versions(struct sends *s, struct slice object, struct arena *a, struct stored_template *t)
{
    struct kv_page page;
    struct slice prefix = ar_cat(a, key2(a, 'v', t->id), SL("/"));
    int e = kv_scan(s->store->kv, object, prefix, kv_prefix_end(a, prefix), STORED_VERSIONS_MAX, a, &page);
    if (e) return e;
    t->version = ar_array(a, struct stored_version, page.n);
    for (size_t i = 0; i < page.n && !e; i++) {
        t->version[i].id = sl_from(page.row[i].key, prefix.n);
        e = get_version(page.row[i].value, &t->version[i]);
    }
    t->n = page.n;
    return e;
}

int stored_template_get(struct sends *s, struct slice account, struct slice id, struct arena *a,
                        struct stored_template *out)
{
    struct slice object = object_of(a, account), row;
    *out = (struct stored_template){.id = id};
    if (check_id(id) < 0) return ERR_NOT_FOUND;
    int e = kv_get(s->store->kv, object, key2(a, 't', id), a, &row);
    if (!e) e = get_template(row, out);
    return e ? e : read_versions(s, object, a, out);
}

static int each_of(struct sends *s, struct slice object, struct arena *a, const struct kv_row *row,
                   stored_each_fn *each, void *arg)
{
    struct stored_template t = {.id = sl_from(row->key, 2)};
    int e = get_template(row->value, &t);
    if (!e) e = read_versions(s, object, a, &t);
    if (err_is_damage(e)) {
        log_error("send", "the template %.*s cannot be read: %s", SLF(t.id), err_text(e));
        return 0;
    }
    return e ? e : each(arg, &t);
}

int stored_each(struct sends *s, struct slice account, stored_each_fn *each, void *arg)
{
    struct arena a = {0}, names = {0};
    struct kv_page page = {.more = true};
    struct slice object = object_of(&names, account), from = SL("t/");
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(s->store->kv, object, from, SL("u"), PAGE, &a, &page);
        for (size_t i = 0; i < page.n && !e; i++) e = each_of(s, object, &a, &page.row[i], each, arg);
        if (!page.n) break;
        from = kv_after(&names, page.row[page.n - 1].key);
    }
    ar_free(&a);
    ar_free(&names);
    return e;
}

static int read_texts(struct sends *s, struct slice object, struct slice id, struct arena *a,
                      struct stored_version *v)
{
    struct kv_page page;
    struct buf b = BUF_INIT;
    struct slice prefix = ar_cat(a, key3(a, 'c', id, v->id), SL("/"));
    int e = kv_scan(s->store->kv, object, prefix, kv_prefix_end(a, prefix), KV_PAGE_MAX, a, &page);
    for (size_t i = 0; !e && i < page.n; i++) buf_put(&b, page.row[i].value);
    struct slice row;
    if (!e && !page.n) e = kv_get(s->store->kv, object, key3(a, 'v', id, v->id), a, &row); /* just removed? */
    if (!e) e = texts_get(ar_dup(a, buf_slice(&b)), v);
    buf_free(&b);
    return e;
}

int stored_version_get(struct sends *s, struct slice account, struct slice id, struct slice version,
                       struct arena *a, struct stored_version *out)
{
    struct stored_template t;
    int e = stored_template_get(s, account, id, a, &t);
    if (e) return e;
    for (size_t i = 0; i < t.n; i++) {
        if (version.n ? !sl_eq(t.version[i].id, version) : !t.version[i].active) continue;
        *out = t.version[i];
        return read_texts(s, object_of(a, account), id, a, out);
    }
    return ERR_NOT_FOUND;
}

/* ---- copying: versions first, one after another, of a template that is not there yet; then the template
 * ----
 */

static int copy_version_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct buf b = BUF_INIT;
    rec_begin(&b, ROW_VERSION);
    rec_put_u64(&b, 'u', (uint64_t)x->now);
    kv_tx_put_record(tx, key2(x->a, 'k', x->id), &b);
    buf_free(&b);
    put_texts(tx, x, x->v->id);
    put_version(tx, key3(x->a, 'v', x->id, x->v->id), x->v);
    return 0;
}

static int copied_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    int e = add_tx(tx, x);
    if (!e) kv_tx_del(tx, key2(x->a, 'k', x->id));
    return e;
}

static void erase_copy(struct kv_tx *tx, struct changing *x, struct slice id)
{
    erase(tx, x->a, 'v', id, SL(""));
    erase(tx, x->a, 'c', id, SL(""));
    kv_tx_del(tx, key2(x->a, 'k', id));
}

static int broken_off_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    erase_copy(tx, x, x->id);
    return 0;
}

static int old_copy(void *arg, struct slice key, struct slice value)
{
    struct others *o = arg;
    struct stored_version mark = {0};
    if (get_version(value, &mark) == 0 && mark.updated > o->x->now - STORED_COPY_S &&
        mark.updated <= o->x->now)
        return 0;
    erase_copy(o->tx, o->x, ar_dup(o->x->a, sl_from(key, 2)));
    return 0;
}

/* What a program that ended left behind. */
static int old_copies_tx(struct kv_tx *tx, void *arg)
{
    return kv_tx_scan(tx, SL("k/"), SL("k0"), old_copy, &(struct others){arg, tx});
}

static int copy_version(struct sends *s, struct slice account, const struct stored_template *from,
                        struct slice id, const struct stored_version *as_listed)
{
    struct arena a = {0};
    struct stored_version v = *as_listed; /* active as all of them were then */
    int e = read_texts(s, object_of(&a, account), from->id, &a, &v);
    struct changing x = {.id = id, .v = &v, .texts = e ? SL("") : texts_of(&a, &v)};
    if (!e) e = transact(s, account, copy_version_tx, &x);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e; /* removed meanwhile */
}

int stored_template_copy(struct sends *s, struct slice account, struct slice id,
                         const struct stored_template *copy)
{
    struct arena a = {0};
    struct stored_template from, to = *copy;
    int e = stored_template_get(s, account, id, &a, &from);
    if (!e && !to.name.n) to.name = from.name;
    if (!e) e = check_name(to.name);
    if (!e) e = transact(s, account, old_copies_tx, &(struct changing){.id = to.id});
    to.kind = from.kind;
    for (size_t i = 0; !e && i < from.n; i++) e = copy_version(s, account, &from, to.id, &from.version[i]);
    if (!e) e = transact(s, account, copied_tx, &(struct changing){.id = to.id, .t = &to});
    if (e && e != ERR_NOT_FOUND && e != ERR_UNKNOWN) {
        char sentence[ERR_TEXT_MAX];
        snprintf(sentence, sizeof sentence, "%s", err_text(e));
        (void)!transact(s, account, broken_off_tx,
                        &(struct changing){.id = to.id}); /* else the next copy's */
        e = err_set(e, "%s", sentence);
    }
    ar_free(&a);
    return e;
}
