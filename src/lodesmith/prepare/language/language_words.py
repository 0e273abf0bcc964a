"""Little words that tell close neighbours apart where byte sequences do not.

Source: our own lists, of words usual in one of the languages and not written in the others.
"""

import re

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")

_GROUPS: tuple[dict[str, str], ...] = (
    {
        "id": "bisa karena kalau anda unduh berkas kantor uang mobil sepeda koran saat apotek "
        "polisi rumahsakit pemerintahan sekarang berbeda perusahaan kamar universitas "
        "televisi bahwa ketika memori mungkin gunakan tetapkan aktifkan galat unit hapus "
        "sunting tampilan jendela layar kata sandi masukan luaran peramban surel daring "
        "luring tautan teks warna pengaturan bawaan kebanyakan butuh membutuhkan coba mencoba "
        "situs gagal tombol objek kunci perangkat lunak pratinjau kode nonaktif peladen",
        "ms": "boleh kerana anda fail ialah awak pejabat wang kereta basikal akhbar hospital "
        "kerajaan berbeza syarikat bilik universiti televisyen bahawa apabila ingatan mungkin "
        "guna ralat padam sunting paparan tetingkap skrin laluan tetikus pelayar emel pautan "
        "warna tetapan lalai kebanyakan perlu cuba laman gagal butang objek kunci perisian "
        "dibenarkan adakah sahaja pelbagai selepas sedia kongsi senarai fungsi semasa "
        "dilaksanakan dikehendaki peranti sila",
    },
    {
        "hr": "datoteka datoteke datoteku datoteci datotekom tijekom uvjet uvjeti "
        "glazba tko netko "
        "nitko općenito vlak zrak kruh tjedan tjedna siječanj veljača ožujak travanj svibanj "
        "lipanj srpanj kolovoz rujan listopad studeni prosinac tisuća točno točan povijest "
        "sveučilište zemljopis nogomet tvornica uporaba uporabu rabiti uopće zaslon računalo "
        "računala poslužitelj poslužitelja pogreška pogreške sučelje mrežna lozinka "
        "preglednik spremi spremanje opseg razlučivost ispis tipkovnica uključi glede dojam "
        "nazočan obitelj skladatelj gospodarstvo promidžba sustav sustava sustavu sustavom "
        "izbornik izbornika preslika obrada mjerilo uvelike nadalje međutim cilj",
        "bs": "fajl fajla fajlu fajlova uslov uslovi muzika ko neko niko opšte sedmica sedmice "
        "januar februar mart april maj juni juli august septembar oktobar novembar decembar "
        "hiljada tačno tačan historija univerzitet geografija fudbal fabrika upotreba "
        "upotrebu šta uopšte ekran računar računara server servera greška greške interfejs "
        "šifra pretraživač snimi sačuvaj rezolucija štampanje štampač tastatura uticaj utiče "
        "prisutan porodica kompozitor ekonomija hem lahko kahva mehko polahko obezbijedi "
        "sistem sistema sistemu spisak",
        "sr": "fajl uslov muzika neko niko uopšte vreme mesto reč reči posle gde ovde nedelja "
        "hiljada tačno istorija univerzitet voz vazduh hleb upotreba šta takođe računar "
        "server greška lepo belo dete deca mleko reka svet čovek pre primer vrednost promeni "
        "izmeni uvek neće videti želeti sledeći deo celo izveštaj rešenje smer mera "
        "bezbednost podrazumevano dve",
    },
    {
        "no": "ikke jeg hva hvem hvor hvordan hvorfor en noe noen fra være bare mye "
        "flere også dere "
        "vi hun selv uten gjøre kommer sier vet nå etter både dette disse kunne skulle ville "
        "bli ble blir mellom deres hverandre kjærlighet spørsmål ønsker bruke bruker velg "
        "åpne feil melding",
        "nn": "ikkje eg kva kven kvar korleis kvifor ein eit noko nokon frå vere "
        "berre mykje fleire "
        "òg dei sjølv utan gjere kjem seier veit etter både dette desse kunne skulle ville "
        "verte verta blei vart mellom deira kvarandre kjærleik spørsmål ønskjer bruke brukar "
        "opne feil melding saman heile følgjande einskild fann korkje kvart somme vêr gje "
        "gjer gjev",
    },
    {
        "st": "hore ho ha empa kapa hae joalo hona hape bakeng hantle moo eo ba ne "
        "bane haeba etsa "
        "hobane",
        "tn": "gore go fa mme kgotsa gagwe jaaka gape kwa nngwe fela jang gonne dira "
        "tota batho "
        "ntse bo",
    },
    {
        "xh": "kunye okanye kwaye ngoku ifayile akukho akunakwenzeka kwenzeka iimpazamo izinto "
        "umsebenzisi ukuze uqwalaselo kwakhona ngaphandle ngexesha ntoni",
        "zu": "ukuthi futhi noma kanye manje lokhu lolu leli ifayela akukho konke lezi yakho "
        "kungenzeka angeke amaphutha izinto umsebenzisi ukuze ngaphandle ngesikhathi yini "
        "kwesokunxele khona ngokuthi kumele uma ukulungisa kanjalo nakho",
    },
)
_MAORI = (
    "te ngā nga ki o he i kua mō mo nō no ka e ana me tēnei tenei rā ra kei ko a au koe ia mai atu "
    "tōku taku tāu kia hoki ai anō katoa whakamahi tētahi tetahi aua ēnei ehara kāore kaore"
)
_MAORI_SURE = re.compile(r"\b(?:ngā|nga|kua|tēnei|tētahi|whaka\w+|kāore|kaore|kōnae|hoki|tō|rā)\b")
_TSONGA = (
    "ku na ya va swi leswi hi vanhu naswona kutani loko eka xi ngopfu kumbe wa la ta u a ka ni"
)
_TSONGA_SURE = re.compile(r"\b(?:leswi|leswo|swi\w+|naswona|kutani|ngopfu|kumbe|eka|loko|xi\w+)\b")
_MIN_SHARE = 0.4  # of the words, in a language that the model does not know


def decide_neighbours(language: str, sample: str) -> str:
    """Return the language, or the neighbour of it whose own words stand in the sample.

    >>> decide_neighbours("hr", "Ko je snimio fajl na server?")
    'bs'
    """
    group = _GROUP_OF.get(language)
    if group is None and language not in _OF_UNKNOWN:
        return language
    words = _WORD.findall(sample.lower())
    if group is not None:
        counts = {name: sum(word in own for word in words) for name, own in group.items()}
        best = max(counts, key=lambda name: (counts[name], name == language))
        language = best if counts[best] > counts[language] else language
    return _unknown_to_the_model(words, sample.lower()) or language


def _unknown_to_the_model(words: list[str], sample: str) -> str:
    for name, usual, sure in _UNKNOWN:
        if sum(word in usual for word in words) >= _MIN_SHARE * len(words) and sure.search(sample):
            return name
    return ""


def _own_words(group: dict[str, str]) -> dict[str, frozenset[str]]:
    """Return for each language the words that no other of its group has."""
    words = {name: set(text.split()) for name, text in group.items()}
    return {
        name: frozenset(
            mine.difference(*(others for other, others in words.items() if other != name))
        )
        for name, mine in words.items()
    }


_GROUP_OF = {name: own for own in map(_own_words, _GROUPS) for name in own}
_UNKNOWN = (
    ("mi", frozenset(_MAORI.split()), _MAORI_SURE),
    ("ts", frozenset(_TSONGA.split()), _TSONGA_SURE),
)
# What the model takes Māori and Tsonga for.
_TAKEN_FOR = "sw sn ln jv st sq zu xh ga ig rw lg mg tl ht fi eu id ms la eo es it pt ro yo ha"
_OF_UNKNOWN = frozenset(_TAKEN_FOR.split())
