/* urlkey.c - tokens of URLs: row z/OWNER/BOX of the user's object holds the secret; OWNER is "-" for a
 * mailbox of the user's own, with which it goes. */
#include "urlkey.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "mailbox_i.h"

enum { KEY_ROW = 1, SECRET = 32 };

struct secret {
    char key[KEY_ROOM];
    uint8_t bytes[SECRET];
    bool fresh;   /* in any case, not only when there is none */
    uint32_t own; /* the mailbox, when it is the user's own; 0: it is not */
};

struct slice url_key_own(uint32_t box, char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "z/-/%08x", box));
}

static void name_key(struct secret *x, const char *user, struct mailbox_ref box)
{
    x->own = strcmp(box.account, user) == 0 ? box.box : 0;
    if (x->own) url_key_own(box.box, x->key);
    else snprintf(x->key, sizeof x->key, "z/%s/%08x", box.account, box.box);
}

static int secret_get(struct slice value, uint8_t out[SECRET])
{
    struct rec r;
    struct slice k = SL("");
    int e = rec_open(&r, value, KEY_ROW);
    while (e == 0 && rec_next(&r))
        if (r.tag == 'k') k = r.field;
    if (e == 0) e = rec_error(&r);
    if (e == 0 && k.n != SECRET) e = err_set(ERR_CORRUPT, "the secret of a mailbox's URLs is damaged");
    if (e == 0) memcpy(out, k.p, SECRET);
    return e;
}

/* A damaged one is made anew: what it authorised cannot be told. What a later version wrote stays until the
 * user wants a fresh one. */
static int make(struct kv_tx *tx, void *arg)
{
    struct secret *x = arg;
    struct account_row a;
    struct slice value;
    struct buf b = BUF_INIT;
    struct box_row box;
    int e = account_tx(tx, &a);
    if (e == 0 && x->own) e = box_tx(tx, x->own, &box);
    if (e) return e;
    e = kv_tx_get(tx, sl_cstr(x->key), &value);
    if (e == 0 && !x->fresh) e = secret_get(value, x->bytes);
    if (e == 0 && !x->fresh) return 0;
    if (e && e != ERR_NOT_FOUND && e != ERR_CORRUPT) return e;
    rt_random(x->bytes, sizeof x->bytes);
    rec_begin(&b, KEY_ROW);
    rec_put(&b, 'k', sl((const char *)x->bytes, sizeof x->bytes));
    kv_tx_put_record(tx, sl_cstr(x->key), &b);
    buf_free(&b);
    a.modseq++; /* nothing changes without a change of the account's row */
    account_row_put(tx, &a);
    return 0;
}

static int find(struct store *s, const char *user, struct secret *x)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(user, room), sl_cstr(x->key), &a, &value);
    if (e == 0) e = secret_get(value, x->bytes);
    ar_free(&a);
    return e;
}

static void put_token(const struct secret *x, struct slice rump, char out[URL_TOKEN + 1])
{
    uint8_t mac[32];
    struct buf b = BUF_INIT;
    hmac_sha256(sl((const char *)x->bytes, SECRET), rump, mac);
    buf_str(&b, "01");
    hex_encode(&b, sl((const char *)mac, sizeof mac));
    snprintf(out, URL_TOKEN + 1, "%.*s", SLF(buf_slice(&b)));
    buf_free(&b);
}

int url_token(struct store *s, const char *user, struct mailbox_ref box, struct slice rump, bool may_make,
              char out[URL_TOKEN + 1])
{
    struct secret x = {0};
    name_key(&x, user, box);
    int e = may_make ? account_transact(s, user, make, &x) : find(s, user, &x);
    if (e == 0) put_token(&x, rump, out);
    wipe(x.bytes, sizeof x.bytes);
    return e;
}

int url_check(struct store *s, const char *user, struct mailbox_ref box, struct slice rump,
              struct slice token)
{
    char good[URL_TOKEN + 1] = "";
    const struct mailbox_ref nowhere = {.account = "nobody", .box = 0};
    int e = url_token(s, user, box.account ? box : nowhere, rump, false, good);
    if (e == ERR_NOT_FOUND)
        put_token(&(struct secret){.fresh = true}, rump, good); /* as long as a good one */
    if (e && e != ERR_NOT_FOUND) return e;
    bool same = token.n == URL_TOKEN && same_secret(token, sl(good, URL_TOKEN));
    return same && e == 0 ? 0 : err_set(ERR_DENIED, "the URL is not authorised");
}

int url_reset(struct store *s, const char *user, struct mailbox_ref box)
{
    struct secret x = {.fresh = true};
    name_key(&x, user, box);
    return account_transact(s, user, make, &x);
}

static int forget(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    int e = account_tx(tx, &a);
    (void)arg;
    if (e) return e;
    kv_tx_erase(tx, SL("z/"), SL("z0"));
    a.modseq++;
    account_row_put(tx, &a);
    return 0;
}

int url_reset_all(struct store *s, const char *user) { return account_transact(s, user, forget, NULL); }
