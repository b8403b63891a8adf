/* people_i.h - inside of people: libldap's part. */
#pragma once
#include "people.h"

/* client.c. arg: the links. BLOCK. */
struct links;
struct links_times {     /* ns */
    int64_t patience;    /* a server's answer is waited for so long, */
    int64_t alive;       /* so long for its answer to whether it answers anybody, */
    int64_t whole;       /* and all servers of the list for so long; */
    int64_t kept_for;    /* a connection that was not used for so long is not asked any more; */
    int64_t first_after; /* so often one question tries whether the first server of the list answers again */
};
struct links *links_new(const struct links_times *times);
void links_free(struct links **l);
MUST_CHECK int ldap_ask(void *arg, const struct people_conf *c, struct slice filter, struct arena *a,
                        struct people_entry *out);
MUST_CHECK int ldap_prove(void *arg, const struct people_conf *c, struct slice dn, struct slice password);
/* filter.c: the servers of the setting; how many. */
size_t people_servers(struct slice setting, struct slice out[PEOPLE_SERVERS_MAX]);
/* Is it on this machine, so that nobody else can listen? */
bool people_is_near(struct slice server);
bool people_is_attribute(struct slice s); /* also an empty one: of a setting that is left out */
