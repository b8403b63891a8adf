/* api_key.c - keys of the HTTP API, rows of the object _keys. */
#include "api_key.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "kv/record.h"
#include "rt/file.h"

enum { KEY_VERSION = 1, NODE_SECRET = 32, SALT = 16 };
#define OBJECT SL("_keys")
#define SECRET_FILE "keys.secret"

struct use { /* of a key, since the start */
    int64_t minute, noted;
    struct ip from; /* when it was noted */
    uint32_t calls; /* in that minute */
};

struct api_keys {
    struct kv *kv;
    struct directory *dir;
    struct lock lock;
    struct map uses; /* id -> struct use * */
    uint8_t secret[NODE_SECRET];
    bool has_secret;
};

/* ---- scopes ---- */

static const char *const words[] = {
#define X(name, word, meaning) word,
    API_SCOPES(X)
#undef X
};

const char *api_scope_word(unsigned scope)
{
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (scope & 1u << i) return words[i];
    return "";
}

static unsigned scope_of(struct slice word)
{
    for (unsigned i = 0; i < COUNT_OF(words); i++)
        if (sl_eq(word, sl_cstr(words[i]))) return 1u << i;
    return 0;
}

static int no_such_scope(struct slice word)
{
    char all[ERR_TEXT_MAX] = "";
    for (size_t i = 0, n = 0; i < COUNT_OF(words) && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", words[i]);
    return err_set(ERR_USAGE, "there is no scope \"%.*s\"; there are: %s", SLF(sl_sub(word, 0, 100)), all);
}

int api_scopes_parse(struct slice list, unsigned *out)
{
    struct slice word;
    *out = 0;
    while (sl_next(&list, ',', &word)) {
        unsigned one = scope_of(sl_trim(word));
        if (!one) return no_such_scope(sl_trim(word));
        *out |= one;
    }
    return *out ? 0 : no_such_scope(SL(""));
}

/* ---- rows ---- */

static struct slice row_key(char kind, struct slice id, char room[API_KEY_ID + 3])
{
    return sl(room, (size_t)snprintf(room, API_KEY_ID + 3, "%c/%.*s", kind, SLF(id)));
}

static void key_record(struct buf *b, const struct api_key *k)
{
    rec_begin(b, KEY_VERSION);
    rec_put(b, 'n', k->name);
    rec_put(b, 'a', sl_cstr(k->account));
    rec_put(b, 'd', k->address);
    for (unsigned i = 0; i < COUNT_OF(words); i++)
        if (k->scopes & 1u << i) rec_put(b, 's', sl_cstr(words[i]));
    for (size_t i = 0; i < k->nnets; i++) rec_put(b, 'p', k->net[i]);
    rec_put_u64(b, 'r', k->rate);
    rec_put_u64(b, 'c', (uint64_t)k->created);
    rec_put(b, 'x', k->salt);
}

/* A scope that this program does not know allows nothing. */
static int key_parse(struct arena *a, struct slice id, struct slice value, struct api_key *out)
{
    struct rec r;
    size_t room = 0;
    *out = (struct api_key){0};
    int e = rec_open(&r, value, KEY_VERSION);
    snprintf(out->id, sizeof out->id, "%.*s", SLF(id));
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'n': out->name = r.field; break;
        case 'a': snprintf(out->account, sizeof out->account, "%.*s", SLF(sl_sub(r.field, 0, 19))); break;
        case 'd': out->address = r.field; break;
        case 's': out->scopes |= scope_of(r.field); break;
        case 'p':
            if (out->nnets == room) out->net = ar_grow(a, out->net, &room, sizeof *out->net);
            out->net[out->nnets++] = r.field;
            break;
        case 'r': out->rate = (uint32_t)rec_u64(&r); break;
        case 'c': out->created = (int64_t)rec_u64(&r); break;
        case 'x': out->salt = r.field; break;
        }
    if (!e) e = rec_error(&r);
    if (!e && (!out->account[0] || out->salt.n != SALT))
        e = err_set(ERR_CORRUPT, "the row of the key names no account or no salt");
    return e;
}

static void read_note(struct api_keys *keys, struct arena *a, struct api_key *k)
{
    char room[API_KEY_ID + 3];
    struct slice row;
    struct rec r;
    if (kv_get(keys->kv, OBJECT, row_key('u', sl_cstr(k->id), room), a, &row) ||
        rec_open(&r, row, KEY_VERSION))
        return;
    while (rec_next(&r)) switch (r.tag) {
        case 't': k->used = (int64_t)rec_u64(&r); break;
        case 'i': k->used_from = r.field; break;
        }
}

/* As noted, and as known since the start: a note waits for the next transaction of anybody. */
static void read_use(struct api_keys *keys, struct arena *a, struct api_key *k)
{
    char ip[IP_TEXT_MAX];
    read_note(keys, a, k);
    lock_take(&keys->lock);
    const struct use *u = map_get(&keys->uses, sl_cstr(k->id));
    bool later = u && u->noted > k->used;
    if (later) k->used = u->noted;
    if (later) ip_format(&u->from, ip);
    lock_release(&keys->lock);
    if (later) k->used_from = ar_dup(a, sl_cstr(ip));
}

/* ---- secrets ---- */

/* BLOCKS. */
static int read_secret(void *arg)
{
    struct api_keys *keys = arg;
    struct buf b = BUF_INIT, raw = BUF_INIT;
    int e = path_read(SECRET_FILE, 4096, &b);
    if (!e) e = hex_decode(&raw, sl_trim(buf_slice(&b)));
    if (!e && raw.n != NODE_SECRET) e = ERR_SYNTAX;
    if (e == ERR_SYNTAX)
        e = err_set(ERR_CORRUPT, SECRET_FILE " of the home is damaged: put it back from a backup");
    if (!e) memcpy(keys->secret, raw.p, NODE_SECRET);
    if (!e) keys->has_secret = true;
    wipe(raw.p, raw.n);
    wipe(b.p, b.n);
    buf_free(&raw);
    buf_free(&b);
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* BLOCKS. */
static int make_secret(void *arg)
{
    struct api_keys *keys = arg;
    uint8_t secret[NODE_SECRET];
    struct buf b = BUF_INIT;
    rt_random(secret, sizeof secret);
    hex_encode(&b, sl((char *)secret, sizeof secret));
    buf_char(&b, '\n');
    int e = path_write(SECRET_FILE, buf_slice(&b), 0600);
    if (!e) e = path_sync_dir(".");
    wipe(secret, sizeof secret);
    wipe(b.p, b.n);
    buf_free(&b);
    return e ? e : read_secret(keys);
}

int api_key_secret(struct api_keys *keys, const struct api_key *k, char out[API_KEY_SECRET + 1])
{
    uint8_t mac[32];
    struct buf b = BUF_INIT, text = BUF_INIT;
    if (!keys->has_secret)
        return err_set(ERR_STATE, SECRET_FILE " of the home is missing: no key can be used without it");
    buf_str(&b, "api key");
    buf_char(&b, 0);
    buf_str(&b, k->id);
    buf_char(&b, 0);
    buf_put(&b, k->salt);
    hmac_sha256(sl((const char *)keys->secret, NODE_SECRET), buf_slice(&b), mac);
    b64_encode(&text, sl((char *)mac, sizeof mac));
    for (size_t i = 0; i < API_KEY_SECRET; i++) /* RFC 4648 section 5 */
        out[i] = text.p[i] == '+' ? '-' : text.p[i] == '/' ? '_' : text.p[i];
    out[API_KEY_SECRET] = 0;
    wipe(mac, sizeof mac);
    wipe(text.p, text.n);
    buf_free(&b);
    buf_free(&text);
    return 0;
}

int api_keys_open(struct api_keys **out, struct kv *kv, struct directory *dir)
{
    ASSERT(kv && dir);
    struct api_keys *keys = *out = xcalloc(1, sizeof *keys);
    keys->kv = kv;
    keys->dir = dir;
    map_init(&keys->uses, false);
    return read_secret(keys);
}

void api_keys_close(struct api_keys **keys)
{
    struct map_iter it = {0};
    if (!*keys) return;
    while (map_next(&(*keys)->uses, &it)) free(it.value);
    map_free(&(*keys)->uses);
    wipe((*keys)->secret, NODE_SECRET);
    free(*keys);
    *keys = NULL;
}

/* ---- making and removing ---- */

static int check_new(const struct api_key *k)
{
    struct ip net;
    unsigned bits;
    if (!k->name.n || k->name.n > API_KEY_NAME_MAX || !utf8_valid(k->name))
        return err_set(ERR_USAGE, "the name of a key has 1 to %d bytes of UTF-8", API_KEY_NAME_MAX);
    if (k->nnets > API_KEY_NETS_MAX)
        return err_set(ERR_LIMIT, "a key has at most %d networks", API_KEY_NETS_MAX);
    for (size_t i = 0; i < k->nnets; i++)
        if (!ip_net_parse(k->net[i], &net, &bits))
            return err_set(ERR_USAGE, "%.*s is no IP address and no network such as 192.0.2.0/24",
                           SLF(sl_sub(k->net[i], 0, 60)));
    return 0;
}

struct adding {
    struct api_key *k;
    size_t all, mine;
};

static int count_key(void *arg, struct slice key, struct slice value)
{
    struct adding *x = arg;
    struct arena a = {0};
    struct api_key k;
    x->all++;
    if (!key_parse(&a, sl_from(key, 2), value, &k) && !strcmp(k.account, x->k->account)) x->mine++;
    ar_free(&a);
    return 0;
}

static int add_key(struct kv_tx *tx, void *arg)
{
    struct adding *x = arg;
    struct buf b = BUF_INIT;
    char room[API_KEY_ID + 3];
    x->all = x->mine = 0;
    int e = kv_tx_scan(tx, SL("k/"), SL("k0"), count_key, x);
    if (e) return e;
    if (x->all >= API_KEYS_MAX || x->mine >= API_KEYS_ACCOUNT)
        return err_set(ERR_LIMIT, "an account has at most %d keys, a node %d: remove one first",
                       API_KEYS_ACCOUNT, API_KEYS_MAX);
    key_record(&b, x->k);
    kv_tx_put_record(tx, row_key('k', sl_cstr(x->k->id), room), &b);
    buf_free(&b);
    return 0;
}

static void choose(struct arena *a, struct api_key *k)
{
    uint8_t chance[API_KEY_ID + SALT];
    rt_random(chance, sizeof chance);
    for (size_t i = 0; i < API_KEY_ID; i++) k->id[i] = "abcdefghijklmnopqrstuvwxyz234567"[chance[i] & 31];
    k->id[API_KEY_ID] = 0;
    k->salt = ar_dup(a, sl((char *)chance + API_KEY_ID, SALT));
    k->created = rt_wall_seconds();
    if (!k->rate) k->rate = API_KEY_RATE;
}

int api_key_add(struct api_keys *keys, struct arena *a, struct api_key *k, struct slice *whole)
{
    struct account acc;
    struct adding x = {.k = k};
    char secret[API_KEY_SECRET + 1];
    int e = check_new(k);
    if (!e) e = account_get(keys->dir, a, k->address, &acc);
    if (!e && !keys->has_secret) e = offload(make_secret, keys);
    if (e) return e;
    k->address = acc.address;
    snprintf(k->account, sizeof k->account, "%s", acc.id);
    choose(a, k);
    e = kv_transact(keys->kv, OBJECT, add_key, &x);
    if (!e) e = api_key_secret(keys, k, secret);
    if (!e) *whole = ar_printf(a, "%s.%s", k->id, secret);
    wipe(secret, sizeof secret);
    return e;
}

static int remove_key(struct kv_tx *tx, void *arg)
{
    char room[API_KEY_ID + 3];
    struct slice *id = arg, row;
    int e = kv_tx_get(tx, row_key('k', *id, room), &row);
    if (e) return e;
    kv_tx_del(tx, row_key('k', *id, room));
    kv_tx_del(tx, row_key('u', *id, room));
    return 0;
}

int api_key_remove(struct api_keys *keys, struct slice id)
{
    int e = id.n == API_KEY_ID ? kv_transact(keys->kv, OBJECT, remove_key, &id) : ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND ? err_set(e, "there is no key %.*s", SLF(sl_sub(id, 0, 60))) : e;
}

struct changing {
    struct slice id;
    const char *account;
    struct api_key to; /* its name and scopes */
};

static int change_key(struct kv_tx *tx, void *arg)
{
    const struct changing *x = arg;
    char room[API_KEY_ID + 3];
    struct slice row;
    struct api_key k;
    struct arena a = {0};
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, row_key('k', x->id, room), &row);
    if (!e) e = key_parse(&a, x->id, row, &k);
    if (!e && strcmp(k.account, x->account) != 0) e = ERR_NOT_FOUND;
    if (!e) {
        k.name = x->to.name;
        if (x->to.scopes) k.scopes = x->to.scopes;
        key_record(&b, &k);
        kv_tx_put_record(tx, row_key('k', x->id, room), &b);
    }
    buf_free(&b);
    ar_free(&a);
    return e;
}

int api_key_change(struct api_keys *keys, struct slice id, const char *account, struct slice name,
                   unsigned scopes)
{
    struct changing x = {id, account, {.name = name, .scopes = scopes}};
    int e = check_new(&x.to);
    if (!e) e = id.n == API_KEY_ID ? kv_transact(keys->kv, OBJECT, change_key, &x) : ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND ? err_set(e, "there is no key %.*s", SLF(sl_sub(id, 0, 60))) : e;
}

int api_key_each(struct api_keys *keys, int (*each)(void *arg, struct api_key *k), void *arg)
{
    struct arena a;
    struct kv_page page = {.more = true};
    char from[API_KEY_ID + 8] = "k/";
    ar_init(&a, 0);
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(keys->kv, OBJECT, sl_cstr(from), SL("k0"), 200, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            struct api_key k;
            struct slice id = sl_from(page.row[i].key, 2);
            if (key_parse(&a, id, page.row[i].value, &k))
                k.damage = ar_dup(&a, sl_cstr(err_text(ERR_CORRUPT)));
            read_use(keys, &a, &k);
            snprintf(from, sizeof from, "k/%s ", k.id);
            e = each(arg, &k);
        }
    }
    ar_free(&a);
    return e;
}

struct forgetting {
    struct api_keys *keys;
    const char *account;
};

static int forget_key(void *arg, struct api_key *k)
{
    struct forgetting *f = arg;
    if (k->damage.n || strcmp(k->account, f->account) != 0) return 0;
    int e = api_key_remove(f->keys, sl_cstr(k->id));
    return e == ERR_NOT_FOUND ? 0 : e;
}

int api_keys_forget(struct api_keys *keys, const char *account)
{
    return api_key_each(keys, forget_key, &(struct forgetting){keys, account});
}

struct renaming {
    struct api_keys *keys;
    const char *account;
    struct slice id, address;
};

static int put_address(struct kv_tx *tx, void *arg)
{
    struct renaming *x = arg;
    char room[API_KEY_ID + 3];
    struct slice row;
    struct api_key k;
    struct arena a = {0};
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, row_key('k', x->id, room), &row);
    if (!e) e = key_parse(&a, x->id, row, &k);
    if (!e) {
        k.address = x->address;
        key_record(&b, &k);
        kv_tx_put_record(tx, row_key('k', x->id, room), &b);
    }
    buf_free(&b);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int rename_key(void *arg, struct api_key *k)
{
    struct renaming *x = arg;
    if (k->damage.n || strcmp(k->account, x->account) != 0) return 0;
    x->id = sl_cstr(k->id);
    return kv_transact(x->keys->kv, OBJECT, put_address, x);
}

int api_keys_renamed(struct api_keys *keys, const char *account, struct slice address)
{
    return api_key_each(keys, rename_key,
                        &(struct renaming){.keys = keys, .account = account, .address = address});
}

/* ---- whoever calls ---- */

int api_key_read(struct api_keys *keys, struct arena *a, struct slice id, struct api_key *out)
{
    char room[API_KEY_ID + 3];
    struct slice row;
    int e = ERR_NOT_FOUND;
    bool possible = id.n == API_KEY_ID;
    for (size_t i = 0; i < id.n; i++) possible = possible && is_alnum(id.p[i]);
    if (possible) e = kv_get(keys->kv, OBJECT, row_key('k', id, room), a, &row);
    if (!e) e = key_parse(a, id, row, out);
    return e == ERR_NOT_FOUND ? err_set(ERR_DENIED, "the key is not known, or its secret is wrong") : e;
}

static bool comes_from(const struct api_key *k, const struct ip *from)
{
    struct ip net;
    unsigned bits;
    for (size_t i = 0; i < k->nnets; i++)
        if (ip_net_parse(k->net[i], &net, &bits) && ip_in(from, &net, bits)) return true;
    return !k->nnets;
}

/* Counts the call; false: too many. *note: its use is to be noted. */
static bool count(struct api_keys *keys, const struct api_key *k, const struct ip *from, bool *note)
{
    int64_t now = rt_wall_seconds();
    lock_take(&keys->lock);
    struct use *u = map_get(&keys->uses, sl_cstr(k->id));
    if (!u) map_put(&keys->uses, sl_cstr(k->id), u = xcalloc(1, sizeof *u));
    if (u->minute != now / 60) u->minute = now / 60, u->calls = 0;
    bool yes = u->calls < k->rate;
    u->calls += yes;
    *note = yes && (now - u->noted >= API_KEY_NOTED_S || now < u->noted);
    if (*note) u->noted = now, u->from = *from;
    lock_release(&keys->lock);
    return yes;
}

static void note_use(struct api_keys *keys, const struct api_key *k, const struct ip *from)
{
    struct buf b = BUF_INIT;
    char ip[IP_TEXT_MAX], room[API_KEY_ID + 3];
    rec_begin(&b, KEY_VERSION);
    rec_put_u64(&b, 't', (uint64_t)rt_wall_seconds());
    rec_put(&b, 'i', sl_cstr(ip_format(from, ip)));
    kv_note_record(keys->kv, OBJECT, row_key('u', sl_cstr(k->id), room), &b);
    buf_free(&b);
}

/* The account that the key was made for: by the address that it had then, or, when it was renamed and the key
 * does not know it (a crash came between), by where that address leads. */
static int account_of(struct api_keys *keys, struct arena *a, const struct api_key *k, struct account *out)
{
    struct slice local, domain;
    struct routes r = {0};
    int e = account_get(keys->dir, a, k->address, out);
    if (e ? e != ERR_NOT_FOUND : strcmp(out->id, k->account) == 0) return e;
    e = address_split(a, k->address, &local, &domain);
    if (!e) e = directory_resolve(keys->dir, a, local, domain, &r);
    if (!e && (r.n != 1 || !r.v[0].local || strcmp(r.v[0].account, k->account) != 0)) e = ERR_NOT_FOUND;
    if (!e) e = account_get(keys->dir, a, r.v[0].address, out);
    return !e && strcmp(out->id, k->account) != 0 ? ERR_NOT_FOUND : e;
}

int api_key_admit(struct api_keys *keys, struct arena *a, const struct api_key *k, const struct ip *from,
                  struct account *out)
{
    char ip[IP_TEXT_MAX];
    bool note;
    if (!comes_from(k, from))
        return err_set(ERR_DENIED, "the key may not be used from %s", ip_format(from, ip));
    int e = account_of(keys, a, k, out);
    if (e == ERR_NOT_FOUND || e == ERR_SYNTAX) return err_set(ERR_DENIED, "the account of the key is gone");
    if (e) return e;
    account_refresh(keys->dir, a, ASK_FOR_LOGINS,
                    out); /* of a person elsewhere who is gone no key counts either */
    if (out->disabled) return err_set(ERR_DENIED, "the account of the key is disabled");
    if (!count(keys, k, from, &note))
        return err_set(
            ERR_LIMIT,
            "the key has made %u calls this minute, the most it may: it can go on with the next minute",
            k->rate);
    if (note) note_use(keys, k, from);
    return 0;
}
