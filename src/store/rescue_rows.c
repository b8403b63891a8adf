/* rescue_rows.c - images read: their rows in `_images`, their heads, their parts. */
#include "directory/sending_domain.h"
#include "rescue_i.h"

#include <stdio.h>

enum { IMAGE_ROW = 1, IMAGE_HEAD = 1 };

int image_row_get(struct slice value, struct image_row *out)
{
    struct rec r;
    int ref = ERR_CORRUPT, e = rec_open(&r, value, IMAGE_ROW);
    if (e) return e;
    *out = (struct image_row){0};
    while (rec_next(&r)) switch (r.tag) {
        case 'h': ref = body_ref_parse(r.field, &out->head); break;
        case 's': out->stamp = rec_u64(&r); break;
        case 't': out->when = (int64_t)rec_u64(&r); break;
        case 'd': out->digest = r.field; break;
        case 'a': out->account = r.field; break;
        }
    e = rec_error(&r);
    return e ? e : ref ? err_set(ERR_CORRUPT, "the record of an image is damaged") : 0;
}

int image_packs(struct slice value, void (*each)(void *arg, uint64_t pack, uint64_t bytes), void *arg)
{
    struct image_row row;
    struct rec r;
    uint64_t pack = 0;
    int e = image_row_get(value, &row);
    if (e == 0) e = rec_open(&r, value, IMAGE_ROW);
    if (e) return e;
    while (rec_next(&r)) {
        if (r.tag == 'p') pack = rec_u64(&r);
        if (r.tag == 'b') each(arg, pack, rec_u64(&r));
    }
    return rec_error(&r);
}

int image_origin_get(struct rec *r, struct image_origin *out)
{
    *out = (struct image_origin){0};
    while (rec_next(r)) switch (r->tag) {
        case 'o': out->object = r->field; break;
        case 'p': out->part = rec_u64(r) != 0; break;
        case 's': out->stamp = rec_u64(r); break;
        case 't': out->when = (int64_t)rec_u64(r); break;
        }
    int e = rec_error(r);
    return e ? e : out->object.n ? 0 : err_set(ERR_CORRUPT, "the origin of an image names no object");
}

/* ---- heads and parts ---- */

static int part_of(struct slice field, struct slice *digest, struct body_ref *ref)
{
    struct rec r;
    int bad = ERR_CORRUPT, e = rec_open(&r, field, IMAGE_HEAD);
    if (e) return e;
    while (rec_next(&r)) {
        if (r.tag == 'd') *digest = r.field;
        if (r.tag == 'r') bad = body_ref_parse(r.field, ref);
    }
    e = rec_error(&r);
    return e ? e : bad;
}

static int head_field(struct rec *r, const struct image_reader *to)
{
    struct slice digest = {0};
    struct body_ref ref;
    if (r->tag == 'R') return to->rows ? to->rows(to->arg, r->field) : 0;
    if (r->tag != 'S' || !to->part) return 0;
    int e = part_of(r->field, &digest, &ref);
    return e ? e : to->part(to->arg, digest, &ref);
}

int image_head(struct store *s, const struct body_ref *head, const struct image_reader *to)
{
    struct arena a;
    struct slice text;
    struct rec r;
    ar_init(&a, 0);
    int e = body_get(s->body, head, SIZE_MAX, &a, &text);
    if (e == 0) e = rec_open(&r, text, IMAGE_HEAD);
    if (e == 0) {
        while (e == 0 && rec_next(&r)) e = head_field(&r, to);
        if (e == 0) e = rec_error(&r);
    }
    ar_free(&a);
    return e;
}

struct reading {
    struct store *s;
    int (*each)(void *arg, struct slice key, struct slice value);
    void *arg;
};

static int give_rows(void *arg, struct slice rows)
{
    struct reading *r = arg;
    struct slice key, value;
    int e = 0;
    while (e == 0 && rows_take(&rows, &key, &value))
        if (r->each) e = r->each(r->arg, key, value);
    return e ? e : rows.n ? err_set(ERR_CORRUPT, "the rows of an image are damaged") : 0;
}

static int give_part(void *arg, struct slice digest, const struct body_ref *ref)
{
    struct reading *r = arg;
    struct arena a;
    struct slice rows;
    (void)digest;
    if (fiber_canceled()) return ERR_CANCELED;
    ar_init(&a, 0);
    int e = body_get(r->s->body, ref, SIZE_MAX, &a, &rows);
    if (e == 0) e = give_rows(r, rows);
    ar_free(&a);
    fiber_breathe();
    return e;
}

int image_rows(struct store *s, const struct body_ref *head,
               int (*each)(void *arg, struct slice key, struct slice value), void *arg)
{
    struct reading r = {s, each, arg};
    return image_head(s, head, &(struct image_reader){give_part, give_rows, &r});
}

/* A row of a send of which there is one: what those who use it need at least. The store does not know more.
 */
static bool send_row_good(struct slice key, struct slice value)
{
    struct rec r;
    uint8_t needs = key.p[0] == 'h' ? 'a' : key.p[0] == 's' ? 's' : 0;
    bool found = !needs;
    if (rec_open(&r, value, 1) != 0) return false;
    while (rec_next(&r)) found |= r.tag == needs && r.field.n;
    return rec_error(&r) == 0 && found;
}

static bool starts_with_any(struct slice s, const char *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sl_starts(s, sl_cstr(v[i]))) return true;
    return false;
}

/* What was set and says the same whenever that was: not what counts, nor how far somebody is, nor pieces. */
static bool is_setting(struct slice object, struct slice key)
{
    static const char *const whole[] = {"x:", "_secret", "_senders", "_source"};
    static const char *const of_account[] = {"t/", "v/", "g/"}, *const of_sends[] = {"w/", "b/"};
    if (sl_starts(object, SL("y:"))) return starts_with_any(key, of_account, COUNT_OF(of_account));
    if (sl_eq(object, SL("_sends"))) return starts_with_any(key, of_sends, COUNT_OF(of_sends));
    if (sl_eq(object, SL("_keys"))) return sl_starts(key, SL("k/"));
    return starts_with_any(object, whole, COUNT_OF(whole)) && !sl_starts(key, SL("n/")) &&
           !sl_starts(key, SL("w/"));
}

/* One of a later version is whole: what it says is not for this program to judge. */
static bool is_whole(struct slice object, struct slice key, struct slice value)
{
    struct rec r;
    if (rec_open(&r, value, UINT8_MAX) != 0) return false;
    while (rec_next(&r)) {
    }
    if (r.version > 1) return true;
    if (sl_eq(object, SL("_senders"))) return sending_domain_row_check(key, value) == 0;
    return rec_error(&r) == 0;
}

bool image_row_good(struct arena *a, struct slice object, struct slice key, struct slice value)
{
    struct account_row acc;
    struct box_row b;
    struct message m;
    uint32_t box;
    if (sl_starts(object, SL("d:"))) return directory_row_check(a, key, value) == 0;
    if (sl_starts(object, SL("s:")) && key.n == 1) return send_row_good(key, value);
    if (!sl_starts(object, SL("u:"))) return !is_setting(object, key) || is_whole(object, key, value);
    if (sl_eq(key, SL("a"))) return account_row_get(value, &acc) == 0;
    if (sl_starts(key, SL("b/"))) return box_row_get(value, 0, &b) == 0;
    if (sl_starts(key, SL("y/"))) return message_row_get(value, 0, &m) == 0;
    if (sl_starts(key, SL("q/"))) return quota_tree_row_good(value);
    return !sl_starts(key, SL("m/")) || message_of_row(key, value, &box, &m);
}

/* ---- walks ---- */

int object_rows(struct store *s, struct slice object,
                int (*each)(void *arg, struct slice key, struct slice value), void *arg)
{
    return object_range(s, object, SL(""), SL(""), each, arg);
}

int images_each(struct store *s, int (*each)(void *arg, struct slice object, struct slice value), void *arg)
{
    return object_rows(s, SL("_images"), each, arg);
}

struct verifying {
    struct store *s;
    verify_bad *bad;
    void *arg;
};

/* It may have been replaced since the row was read, and swept. */
static bool is_replaced(struct store *s, struct slice object, struct slice value)
{
    struct arena a;
    struct slice now;
    ar_init(&a, 0);
    int e = kv_get(s->kv, SL("_images"), object, &a, &now);
    bool yes = e == ERR_NOT_FOUND || (e == 0 && !sl_eq(now, value));
    ar_free(&a);
    return yes;
}

static int verify_image(void *arg, struct slice object, struct slice value)
{
    struct verifying *v = arg;
    struct image_row row;
    struct arena a;
    int e = image_row_get(value, &row);
    if (e == 0) e = image_rows(v->s, &row.head, NULL, NULL);
    if (e == 0 || is_replaced(v->s, object, value)) return 0;
    if (e != ERR_CORRUPT && e != ERR_VERSION && e != ERR_NOT_FOUND) return e;
    ar_init(&a, 0);
    v->bad(v->arg,
           ar_printf(&a, "the image of %.*s cannot be read: %s; `tram verify --repair` makes a new one",
                     SLF(object), err_text(e))
               .p);
    ar_free(&a);
    return 0;
}

int images_verify(struct store *s, verify_bad *bad, void *arg)
{
    struct verifying v = {s, bad, arg};
    return images_each(s, verify_image, &v);
}
