/* cursor.c - tokens of pages: a seal and the place behind it, base64url. Whoever looks may read the place: it
 * is of a list of their own. The seal only tells a token from a slip, and one list's from another's. */
#include "cursor.h"

#include <string.h>

#include "base/text.h"
#include "crypto/crypto.h"

enum { SEAL = 6 }; /* bytes */

static void seal(const struct http_call *c, const char *list, struct slice place, uint8_t out[32])
{
    struct slice of = ar_printf(c->a, "%s %s ", list, c->key.account->id);
    hmac_sha256(of, place, out);
}

struct slice cursor_make(const struct http_call *c, const char *list, struct slice place)
{
    uint8_t mac[32];
    seal(c, list, place, mac);
    return b64url_encode_ar(c->a, ar_cat(c->a, sl((const char *)mac, SEAL), place));
}

int cursor_read(const struct http_call *c, const char *list, const char *parameter, struct slice *place)
{
    uint8_t mac[32];
    struct slice token = http_query(c, sl_cstr(parameter)), in = {0};
    *place = SL("");
    if (!token.n) return 0;
    if (b64url_decode_ar(c->a, token, &in) == 0 && in.n > SEAL) {
        struct slice behind = sl_from(in, SEAL);
        seal(c, list, behind, mac);
        if (memcmp(mac, in.p, SEAL) == 0) {
            *place = behind;
            return 0;
        }
    }
    return err_set(ERR_USAGE, "%s is not one that this list gave", parameter);
}
