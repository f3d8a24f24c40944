/* SPDX-License-Identifier: MIT
 *
 * A PKCS#11 module that is SoftHSM's, but whose token can be pulled: while the file $ESTOC_TOKEN_AWAY is
 * there, each call for the token fails; when it is gone again, the sessions that there were are closed and
 * nobody is logged in, as with a device that was unplugged. Each attempt to log in is a byte in the file
 * $ESTOC_TOKEN_LOGINS.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

#define REAL "/usr/lib/softhsm/libsofthsm2.so"

static CK_FUNCTION_LIST *real, ours;
static bool was_away;

static void close_sessions(void)
{
    CK_SLOT_ID slots[16];
    CK_ULONG n = 16;
    if (real->C_GetSlotList(CK_TRUE, slots, &n) == CKR_OK) {
        for (CK_ULONG i = 0; i < n; i++) {
            real->C_CloseAllSessions(slots[i]);
        }
    }
}

static bool away(void)
{
    const char *file = getenv("ESTOC_TOKEN_AWAY");
    if (file != NULL && access(file, F_OK) == 0) {
        was_away = true;
        return true;
    }
    if (was_away) {
        was_away = false;
        close_sessions();
    }
    return false;
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    return away() ? CKR_TOKEN_NOT_PRESENT : real->C_GetTokenInfo(slot, info);
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
                          CK_SESSION_HANDLE *session)
{
    return away() ? CKR_DEVICE_REMOVED : real->C_OpenSession(slot, flags, app, notify, session);
}

static CK_RV find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *what, CK_ULONG n)
{
    return away() ? CKR_DEVICE_REMOVED : real->C_FindObjectsInit(session, what, n);
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE type, unsigned char *pin, CK_ULONG len)
{
    const char *file = getenv("ESTOC_TOKEN_LOGINS");
    if (away()) {
        return CKR_DEVICE_REMOVED;
    }
    int fd = file != NULL ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && (write(fd, "!", 1) != 1 || close(fd) != 0)) {
        return CKR_GENERAL_ERROR;
    }
    return real->C_Login(session, type, pin, len);
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *how, CK_OBJECT_HANDLE key)
{
    return away() ? CKR_DEVICE_REMOVED : real->C_SignInit(session, how, key);
}

static CK_RV sign(CK_SESSION_HANDLE session, unsigned char *data, CK_ULONG len, unsigned char *sig,
                  CK_ULONG *sig_len)
{
    return away() ? CKR_DEVICE_REMOVED : real->C_Sign(session, data, len, sig, sig_len);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **out)
{
    void *so = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get =
        so != NULL ? (CK_C_GetFunctionList)dlsym(so, "C_GetFunctionList") : NULL;
    if (get == NULL || get(&real) != CKR_OK) {
        return CKR_GENERAL_ERROR;
    }
    ours = *real;
    ours.C_GetTokenInfo = get_token_info;
    ours.C_OpenSession = open_session;
    ours.C_FindObjectsInit = find_init;
    ours.C_Login = login;
    ours.C_SignInit = sign_init;
    ours.C_Sign = sign;
    *out = &ours;
    return CKR_OK;
}
