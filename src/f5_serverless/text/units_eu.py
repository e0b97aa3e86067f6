"""Units in German, French, Spanish, Italian, Portuguese. A table and its reader."""

from __future__ import annotations

from f5_serverless.text.tongue import Noun

_SYMBOL_UNITS = {
    # written: (de, fr, es, it, pt), each "one/many" with "f:" for feminine
    "mm": "Millimeter millimètre/millimètres milímetro/milímetros millimetro/millimetri milímetro/milímetros",
    "cm": "Zentimeter centimètre/centimètres centímetro/centímetros centimetro/centimetri centímetro/centímetros",
    "m": "Meter mètre/mètres metro/metros metro/metri metro/metros",
    "km": "Kilometer kilomètre/kilomètres kilómetro/kilómetros chilometro/chilometri quilómetro/quilómetros",
    "mg": "Milligramm milligramme/milligrammes miligramo/miligramos milligrammo/milligrammi miligrama/miligramas",
    "g": "Gramm gramme/grammes gramo/gramos grammo/grammi grama/gramas",
    "kg": "Kilogramm kilogramme/kilogrammes kilogramo/kilogramos chilogrammo/chilogrammi quilograma/quilogramas",
    "t": "f:Tonne/Tonnen f:tonne/tonnes f:tonelada/toneladas f:tonnellata/tonnellate f:tonelada/toneladas",
    "ml": "Milliliter millilitre/millilitres mililitro/mililitros millilitro/millilitri mililitro/mililitros",
    "cl": "Zentiliter centilitre/centilitres centilitro/centilitros centilitro/centilitri centilitro/centilitros",
    "l": "Liter litre/litres litro/litros litro/litri litro/litros",
    "L": "Liter litre/litres litro/litros litro/litri litro/litros",
    "ha": "Hektar hectare/hectares hectárea/hectáreas ettaro/ettari hectare/hectares",
    "m2": "Quadratmeter mètre_carré/mètres_carrés metro_cuadrado/metros_cuadrados metro_quadrato/metri_quadrati "
    "metro_quadrado/metros_quadrados",
    "km2": "Quadratkilometer kilomètre_carré/kilomètres_carrés kilómetro_cuadrado/kilómetros_cuadrados "
    "chilometro_quadrato/chilometri_quadrati quilómetro_quadrado/quilómetros_quadrados",
    "m3": "Kubikmeter mètre_cube/mètres_cubes metro_cúbico/metros_cúbicos metro_cubo/metri_cubi "
    "metro_cúbico/metros_cúbicos",
    "s": "f:Sekunde/Sekunden f:seconde/secondes segundo/segundos secondo/secondi segundo/segundos",
    "ms": "f:Millisekunde/Millisekunden f:milliseconde/millisecondes milisegundo/milisegundos "
    "millisecondo/millisecondi milissegundo/milissegundos",
    "min": "f:Minute/Minuten f:minute/minutes minuto/minutos minuto/minuti minuto/minutos",
    "h": "f:Stunde/Stunden f:heure/heures f:hora/horas f:ora/ore f:hora/horas",
    "km/h": "Kilometer_pro_Stunde kilomètre-heure/kilomètres-heure kilómetro_por_hora/kilómetros_por_hora "
    "chilometro_orario/chilometri_orari quilómetro_por_hora/quilómetros_por_hora",
    "Hz": "Hertz hertz hercio/hercios hertz hertz",
    "kHz": "Kilohertz kilohertz kilohercio/kilohercios kilohertz quilohertz",
    "MHz": "Megahertz mégahertz megahercio/megahercios megahertz megahertz",
    "GHz": "Gigahertz gigahertz gigahercio/gigahercios gigahertz gigahertz",
    "KB": "Kilobyte kilooctet/kilooctets kilobyte/kilobytes kilobyte quilobyte/quilobytes",
    "MB": "Megabyte mégaoctet/mégaoctets megabyte/megabytes megabyte megabyte/megabytes",
    "GB": "Gigabyte gigaoctet/gigaoctets gigabyte/gigabytes gigabyte gigabyte/gigabytes",
    "TB": "Terabyte téraoctet/téraoctets terabyte/terabytes terabyte terabyte/terabytes",
    "W": "Watt watt/watts vatio/vatios watt watt/watts",
    "kW": "Kilowatt kilowatt/kilowatts kilovatio/kilovatios chilowatt quilowatt/quilowatts",
    "MW": "Megawatt mégawatt/mégawatts megavatio/megavatios megawatt megawatt/megawatts",
    "kWh": "f:Kilowattstunde/Kilowattstunden kilowattheure/kilowattheures kilovatio_hora/kilovatios_hora "
    "chilowattora/chilowattora quilowatt-hora/quilowatts-hora",
    "V": "Volt volt/volts voltio/voltios volt volt/volts",
    "°": "Grad degré/degrés grado/grados grado/gradi grau/graus",
    "°C": "Grad_Celsius degré_Celsius/degrés_Celsius grado_Celsius/grados_Celsius grado_Celsius/gradi_Celsius "
    "grau_Celsius/graus_Celsius",
}
_CODES = ("de", "fr", "es", "it", "pt")


def _noun(text: str) -> Noun:
    feminine = text.startswith("f:")
    one, _, many = text.removeprefix("f:").replace("_", " ").partition("/")
    return Noun(one, many or one, feminine)


def units_of(code: str) -> dict[str, Noun]:
    """Written unit → its name in one language."""
    column = _CODES.index(code)
    return {written: _noun(row.split()[column]) for written, row in _SYMBOL_UNITS.items()}
