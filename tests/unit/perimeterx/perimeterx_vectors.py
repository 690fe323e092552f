"""Cookies made by the formula, most confirmed with the service's own client.

Key `vector-cookie-key`, User-Agent `Vector/1.0`, salt bytes 00 to 0f.
"""

KEY = "vector-cookie-key"
AES_KEY = "9c66aa494ab33df020e8db68e70e210ac2c82ec28639346b5197b1fdf7eb60e2"
AES_IV = "82be0bef68852308a16037a2f416833d"
PXDE = (
    "067a8785471ce2c094eb3b58991a2aa76997d922f75404392790d220fe56a954"
    ":eyJmX3R5cGUiOiJ3In0="
)

# name: (environ key or cookie name, value)
VECTORS = {
    "V1": (
        "_px3",
        "4e7aabe95a44f443c161c64bc50c3c02d9614c7d0951748c9cd9c04e3144cb1b:AAECA"
        "wQFBgcICQoLDA0ODw==:1000:M15uwBmr0K7O8XUbGUZJwpM+GiJt0A54GOh3zRE42aAXg"
        "WO8HZRaLKiJcaUGvp15/C2glQH4Kii6w14xyrlm6yJGV6E8yBXQ07Vsb/grsbCuEahKjby"
        "k0viwFrHKj6t0qSgoYI7Fc3TNyQRzGo428lwtbU/T9Fp/yf2qd2i7jZg=",
    ),
    "V2": (
        "_px3",
        "7695c80910a51348cf607dae87736647ebf26c8d2c4052d0d56879fe7e492fb3:AAECA"
        "wQFBgcICQoLDA0ODw==:1000:M15uwBmr0K7O8XUbGUZJwpM+GiJt0A54GOh3zRE42aAXg"
        "WO8HZRaLKiJcaUGvp15/C2glQH4Kii6w14xyrlm6yJGV6E8yBXQ07Vsb/grsbCuEahKjby"
        "k0viwFrHKj6t0ggV0NiVN0/sRp1wk33nAhbE89/MxkIxz5mUm5ciCefw=",
    ),
    "V3": (
        "_px3",
        "df78d415dba4621f64a11fd0169911c3f5bbbc13c859a0cfad619305f6a6e184:AAECA"
        "wQFBgcICQoLDA0ODw==:1000:lbjAIv6B+hMnkj/EtxehI9HuzgpAcTGdZ0AF5vH8az1Qk"
        "tgIEpuN+qr5DQt6Vzjeea4esavNcX1a0nO9FYe5eJfpJv6qpvI+Nxo5v7wHdDJnIUJct3j"
        "/MgwsXixTBpTVTcKGIZb4xsunQqtti+KVMpxfqNpEhQLcjjyWn+5EtkM=",
    ),
    "V4": (
        "_px3",
        "86e83c2b4f9d8aff1e513eef4fdb1480702ce4c7ed908cec643742c2b1efaa5f:AAECA"
        "wQFBgcICQoLDA0ODw==:1000:M15uwBmr0K7O8XUbGUZJwpM+GiJt0A54GOh3zRE42aAXg"
        "WO8HZRaLKiJcaUGvp15/C2glQH4Kii6w14xyrlm6yJGV6E8yBXQ07Vsb/grsbCuEahKjby"
        "k0viwFrHKj6t0qSgoYI7Fc3TNyQRzGo428lwtbU/T9Fp/yf2qd2i7jZg=",
    ),
    "V5": (
        "_px3",
        "4e7aabe95a44f443c161c64bc50c3c02d9614c7d0951748c9cd9c04e3144cb1b:AAECA"
        "wQFBgcICQoLDA0ODw==:1000:M15uwBmr0K7O8XUbGUZJwpM+GiJt0A54GOh3zRE42aAXg"
        "WO8HZRaLKiJcaUGvp15/C2glQH4Kii6w14xyrlm6yJGV6E8yBXQ07Vsb/grsbCuEahKjby"
        "k0viwFrHKj6t0qSgoYI7Fc3TNyQRzGo428lwtbU/T9Fp/yf2qd2i7",
    ),
    "V6": (
        "X-PX-AUTHORIZATION",
        "3:1c2af6f93fc8a9fa3780a458f54ad4d955c2f83eb18e578d7e30dff5e4877c4b:AAE"
        "CAwQFBgcICQoLDA0ODw==:1000:M15uwBmr0K7O8XUbGUZJwpM+GiJt0A54GOh3zRE42aA"
        "XgWO8HZRaLKiJcaUGvp15/C2glQH4Kii6w14xyrlm6yJGV6E8yBXQ07Vsb/grsbCuEahKj"
        "byk0viwFrHKj6t0qSgoYI7Fc3TNyQRzGo428lwtbU/T9Fp/yf2qd2i7jZg=",
    ),
    "V7": (
        "_px",
        "AAECAwQFBgcICQoLDA0ODw==:1000:M15uwBmr0K7O8XUbGUZJwpM+GiJt0A54GOh3zRE4"
        "2aAXgWO8HZRaLKiJcaUGvp15/C2glQH4Kii6w14xyrlm6yJGV6E8yBXQ07Vsb/grsbCuEa"
        "hKjbyk0viwFrHKj6t0PzAFoAK+5QdQvIZjvGI8PvLOP33tmMcu1ZDrI6KiHSyPJ4ZycPTN"
        "o7+gZsOrOqSBABZfaDfLPstMtVCHjOOxuM/TrToGGK1QKxHUExzfcp23BGXmYEjQDFaSpv"
        "eVpjEPYZN+LuSD1wPyls8iQACSQQ==",
    ),
    "V8": (
        "_px",
        "AAECAwQFBgcICQoLDA0ODw==:1000:M15uwBmr0K7O8XUbGUZJwpM+GiJt0A54GOh3zRE4"
        "2aAXgWO8HZRaLKiJcaUGvp15/C2glQH4Kii6w14xyrlm6yJGV6E8yBXQ07Vsb/grsbCuEa"
        "hKjbyk0viwFrHKj6t0PzAFoAK+5QdQvIZjvGI8PvLOP33tmMcu1ZDrI6KiHSw7daS8bWrU"
        "DrXwK3CACRLQOez+V/z9VpXzHfJppX6OOVBmTbQJMGH9kpRmd28XsGyTMLL0f1gUuLyFq0"
        "PrxGty1Hxa1didAII7W2A7nbZEZw==",
    ),
    "V9": (
        "_px3",
        "39b3a5444e0871d2a51b6c7665fe109ee80ed42b65e336d88d71e706f2b41145:AAECA"
        "wQFBgcICQoLDA0ODw==:10001:L2nDMCz/Qsuyyt2kfwJfn2wvgcwAxv0kOeSYdBlICeKC"
        "floTNim1emNnE3AuQoZTZTAG/KTtAozY+wxSbzhS0Yd3qfxl/pBtHV6lWfs8AAjq2z9YLw"
        "AynBNsWmOtYH4fmc7cSGacGuw5FTCTah+NAB3nmFdB0w+HEUepiuzhbUU=",
    ),
}
