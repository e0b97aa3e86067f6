"""English: capitals that are said as a word or shouted; names that Roman numerals follow. Tables only."""

from __future__ import annotations

from f5_serverless.text.wordlists import word_set

SPOKEN_ACRONYMS = word_set(
    "NASA NATO UNESCO UNICEF OPEC AIDS COVID SCUBA RADAR LASER SONAR GIF JPEG PIN SIM RAM ROM CAPTCHA SWAT "
    "FIFA UEFA NAFTA ASEAN BREXIT LEGO IKEA NASDAQ VISA BAFTA INTERPOL MENSA DARPA NOAA OSHA PETA FEMA HIPAA "
    "ICANN SPAM TASER YOLO ZIP WASP NAACP2 LAN WAN VOIP CAD CRISPR SARS MERS BASIC COBOL FORTRAN CUDA WIFI "
    "SIDS EPCOT LED2 SAT2 NIMBY AWOL MASH SCUD DOS BIOS DRAM SRAM FAQ2 JSON YAML TOML LATEX LINUX UNIX GNOME "
    "RAID SAAS SOAP REST STEM ESPN2 IMAX GOAT"
)
READ_AS = {
    "JPEG": "jay peg",
    "JPG": "J P G",
    "ASCII": "askey",
    "WYSIWYG": "wizzy wig",
    "JSON": "jason",
    "YAML": "yammel",
    "TOML": "tommel",
    "SQL": "S Q L",
    "IEEE": "I triple E",
    "NAACP": "N double A C P",
    "AAA": "triple A",
    "OK": "okay",
    "TV": "T V",
    "WIFI": "wifi",
    "VOIP": "voip",
    "CRISPR": "crisper",
    "HIPAA": "hippa",
    "NOAA": "noah",
    "SAAS": "sass",
    "GNU": "gnu",
    "NVIDIA": "Nvidia",
    "USA": "U S A",
    "SCSI": "scuzzy",
}
CAPITAL_WORDS = word_set(
    "A I AM AN AS AT BE BY DO GO HE IF IN IS IT ME MY NO OF OH ON OR SO TO UP WE ACT ADD AGE AGO AIR ALL AND "
    "ANY ARE ART ASK BAD BAG BAN BAR BED BIG BIT BOX BOY BUS BUT BUY CAN CAR CAT CUT DAD DAY DID DIE DOG DRY "
    "EAR EAT EGG END EYE FAR FAT FEW FIT FLY FOR FUN GAS GET GOD GOT GUN GUY HAD HAS HAT HER HEY HIM HIS HIT "
    "HOT HOW ICE JOB JOY KEY KID LAW LAY LEG LET LIE LOT LOW MAD MAN MAP MAY MEN MOM MUD NEW NOR NOT NOW NUT "
    "ODD OFF OIL OLD ONE OUR OUT OWN PAY PEN PET PUT RAN RED RID RUN SAD SAW SAY SEA SEE SET SHE SIT SIX SKY "
    "SON SUN TAX TEA TEN THE TIE TOO TOP TOY TRY TWO USE VAN WAR WAS WAY WET WHO WHY WIN WON YES YET YOU ALSO "
    "AWAY BABY BACK BALL BAND BANK BASE BEEN BEST BLUE BODY BOOK BOTH CALL CAME CARE CASE CITY COLD COME COOL "
    "COST DARK DATE DEAD DEAL DEAR DEEP DONE DOOR DOWN DRAW DROP EACH EASY ELSE EVEN EVER EVIL FACE FACT FAIL "
    "FAIR FALL FAST FEAR FEEL FILL FILM FIND FINE FIRE FISH FIVE FOOD FOOT FORM FOUR FREE FROM FULL GAME GAVE "
    "GIFT GIRL GIVE GOAL GOES GOLD GONE GOOD GREW GROW HAIR HALF HAND HARD HATE HAVE HEAD HEAR HEAT HELD HELL "
    "HELP HERE HIGH HOLD HOME HOPE HOUR HUGE IDEA INTO JUST KEEP KILL KIND KING KNEW KNOW LAND LAST LATE LEAD "
    "LEFT LESS LIFE LIKE LINE LIST LIVE LONG LOOK LORD LOSE LOSS LOST LOUD LOVE MADE MAKE MANY MEAN MEET MIND "
    "MISS MORE MOST MOVE MUCH MUST NAME NEAR NEED NEVER NEXT NICE NINE NONE NOTE ONCE ONLY OPEN OVER PAIN PART "
    "PAST PLAN PLAY POOR PULL PUSH RAIN READ REAL REST RICH RIDE RING RISE ROAD ROCK ROLE ROOM RULE SAFE SAID "
    "SALE SAME SAVE SEEN SELF SELL SEND SHIP SHOP SHOW SHUT SICK SIDE SIGN SING SIZE SKIN SLOW SNOW SOFT SOLD "
    "SOME SONG SOON SORT SOUL STAR STAY STEP STOP SUCH SURE TAKE TALK TALL TEAM TELL TERM TEST TEXT THAN THAT "
    "THEM THEN THEY THIS THUS TIME TINY TODAY TOLD TOOK TOWN TREE TRUE TURN TYPE UNIT UPON USED VERY VIEW VOTE "
    "WAIT WAKE WALK WALL WANT WARM WASH WAVE WEAK WEAR WEEK WELL WENT WERE WEST WHAT WHEN WHOM WIDE WIFE WILD "
    "WILL WIND WINE WISE WISH WITH WORD WORE WORK YEAH YEAR YOUR ZERO EAST NORTH SOUTH HELLO WORLD STOP ABOUT "
    "AFTER AGAIN ALONE AND AROUND BEGIN BLACK BREAK BRING CLOSE COULD DEATH EVERY FIRST FOUND GREAT HAPPY "
    "HEART HOUSE HUMAN LATER LEARN LEAVE LIGHT MIGHT MONEY MUSIC NIGHT OTHER PEACE PLACE PLEASE POINT POWER "
    "QUICK QUIET RIGHT ROUND SHALL SINCE SMALL SMILE SOUND SPACE SPEAK START STILL STORY SWEET THANK THEIR "
    "THERE THESE THING THINK THOSE THREE UNDER UNTIL USUAL VOICE WATCH WATER WHERE WHICH WHILE WHITE WHOLE "
    "WHOSE WOMAN WOMEN WORSE WORST WOULD WRITE WRONG YOUNG CHAPTER SALE NOTE OPEN SOLD NEWS HEY WOW"
)
"""Words that are often shouted: capitals that are not an acronym."""

ROMAN_ORDINAL_NAMES = word_set(
    "Henry Elizabeth Louis Charles George William Edward Richard James John Paul Pius Benedict Leo Gregory "
    "Innocent Nicholas Alexander Catherine Peter Philip Frederick Wilhelm Napoleon Ramses Rameses Ptolemy "
    "Francis Ferdinand Otto Mary Clement Urban Constantine Darius Xerxes Ivan Christian Haakon Harald Carl "
    "Gustav Juan Felipe Carlos Alfonso Umberto Victor Emmanuel Albert Baldwin Robert David Malcolm Edmund "
    "Harold Margaret Isabella Joseph Leopold Maximilian Rudolf Sixtus Boniface Adrian Celestine Honorius "
    "Eugene Stephen Theodosius Justinian Mehmed Selim Murad Abdul Hussein Pedro Manuel Wenceslaus Sigismund "
    "Casimir Ladislaus Amenhotep Thutmose Seti Cleopatra Antiochus Tutankhamun"
)
ROMAN_CARDINAL_AFTER = word_set(
    "war chapter part act scene volume book section phase type class level stage title article appendix figure "
    "table bowl grade category division group tier mark model generation schedule annex lesson unit episode "
    "season version rocky"
)
FAMOUS_NOT_ROMAN = frozenset({("malcolm", "X")})
MONARCH_VERBS = word_set("of was is died ruled became reigned had and in at married ascended abdicated who the")
YEAR_NOT_BEFORE = word_set("was is has his this its as us plus does goes says yes less across perhaps always sometimes")
