"""Lines that have broken tokenizers: the gates try them whatever the held-out text holds."""

#: Compatibility forms, emoji sequences, control characters, marks that look like ours, very long words and lines.
ODD_LINES = (
    "이순신은 조선 중기의 무신이다.",
    "do not , I 'm . it 's isn 't 3 . 14 ?",
    "ｆｕｌｌ　ｗｉｄｔｈ １２３，（전각）！",
    "大韓民國의 漢字와 한글을 섞어 쓴다(混用). 樂\uf914 𠮷",
    "👩‍💻👍🏽🇰🇷❤️ 👨‍👩‍👧‍👦1️⃣ 이모지😀ㅋㅋ",
    "ㅋㅋㅋㅋ ㅠㅠ 진짜ㅋㅋ ﾡﾂ ㆍ 나랏말ᄊᆞ미 ᄒᆞᆫ글",
    "제어\x00문자\x07와 \x1b[0m \x7f\x85 \ufffd \U0010ffff\ue000\U000f0000\ud7b0\ufdd0",
    "너비\u200b없는\u200d글\ufeff자\u2060 \u00ad\u202e",
    " \t여러\u3000 칸\u00a0과\u2003\u2028줄\r\n",
    "",
    " \n\t ",
    "[PHONE]으로 전화[EMAIL]로[URL]에서[PHONE][PHONE]",
    "가나[MASK]다라[SEP]마[CLS]바[PAD]사[UNK]아",
    "[mask] [MASK [MASK]] [[MASK]] [unused0] [없음] ##은 ## ▁ ▁가",
    "é e\u0301 Å ﬁ ½ ² ㎞ ™ Straße İ ŉ 가\u0301\u0323 \u0301",
    "アイウ ﾊﾝｶｸ Ελλάδα Россия العربية עברית ไทย हिन्दी",
    "가나다라" * 25_000,
    "가나다 " * 25_000,
    "a" * 101 + "!" * 500 + "1234567890" * 20,
)
