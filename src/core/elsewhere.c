/* elsewhere.c - the directory of people elsewhere, and the file of its password. */
#include "elsewhere.h"

#include "base/text.h"
#include "crypto/crypto.h"
#include "people/people.h"
#include "rt/file.h"

enum { PASSWORD_FILE_MAX = 4096 };

int core_people(const struct config *c, struct arena *a, struct people_conf *out)
{
    struct buf b = BUF_INIT;
    *out = config_people(c);
    if (!c->ldap_password.n) return 0;
    int e = path_read(ar_cstr(a, c->ldap_password), PASSWORD_FILE_MAX, &b);
    if (!e) out->password = ar_dup(a, sl_trim(buf_slice(&b)));
    if (!e && !out->password.n) e = err_set(ERR_SYNTAX, "the file is empty");
    wipe(b.p, b.n);
    buf_free(&b);
    return e ? err_prefix(e, "%.*s (ldap_password)", SLF(c->ldap_password)) : 0;
}
