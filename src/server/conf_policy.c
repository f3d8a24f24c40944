/* SPDX-License-Identifier: MIT
 *
 * The profiles as text: what is published to other nodes, and what a record's version stands for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_keys.h"

bool estoc_conf_values_set(estoc_conf_values *v, size_t profile, size_t key, const char *value)
{
    char *copy = strdup(value);
    if (copy == NULL) {
        return false;
    }
    free(v->at[profile][key]);
    v->at[profile][key] = copy;
    return true;
}

void estoc_conf_values_free(estoc_conf_values *v)
{
    for (size_t i = 0; i < ESTOC_PROFILES_MAX; i++) {
        for (size_t k = 0; k < ESTOC_CONF_KEYS_MAX; k++) {
            free(v->at[i][k]);
            v->at[i][k] = NULL;
        }
    }
}

estoc_err estoc_conf_policy(const estoc_config *c, const estoc_conf_values *v, char *out,
                            size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < c->profiles_n && n < cap; i++) {
        const char *name = c->profiles[i].profile.name;
        n += (size_t)snprintf(out + n, cap - n, "%s[profile%s%s]\n", i > 0 ? "\n" : "",
                              name[0] != '\0' ? " " : "", name);
        const estoc_conf_key *k;
        for (size_t at = 0; (k = estoc_conf_key_at(at)) != NULL && n < cap; at++) {
            if (v->at[i][at] != NULL) {
                n += (size_t)snprintf(out + n, cap - n, "%s = %s\n", k->name, v->at[i][at]);
            }
        }
    }
    return n < cap ? ESTOC_OK : ESTOC_E_SPACE;
}
