/* SPDX-License-Identifier: MIT */
#include "db.h"

estoc_err estoc_db_open_postgres(const char *url, const estoc_db_schema *schema,
                                 const estoc_db_sql *sql, size_t sql_n, estoc_db **out,
                                 estoc_why *why)
{
    (void)url;
    (void)schema;
    (void)sql;
    (void)sql_n;
    *out = NULL;
    estoc_why_set(why, "store: PostgreSQL is not in this build");
    return ESTOC_E_CONFIG;
}
